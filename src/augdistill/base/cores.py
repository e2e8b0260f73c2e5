"""How many CPU cores this process may use: not those of the machine, of which a container or a job step has a part."""

import math
import os
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the number of cores, 1 or more: those of the CPU affinity (taskset, SLURM), within a cgroup's quota.

    `cgroups` is where cgroups of version 1 or 2 are mounted, `membership` the file that says which are this process's.
    A quota of 2.5 cores is 2, so that no thread waits for another's time.
    """
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return max(1, math.floor(min(len(affinity), quota(cgroups, membership))))


def quota(cgroups: Path, membership: Path) -> float:
    """Return the cores that cgroups allow, infinite where they do not say: the least of a group and those above it."""
    limits = [math.inf]
    for line in read(membership).splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers in ("", "cpu") or "cpu" in controllers.split(","):
            root = (
                cgroups
                if not controllers
                else next((p for p in (cgroups / controllers, cgroups / "cpu") if p.is_dir()), cgroups)
            )
            inner = PurePosixPath(name.lstrip("/"))
            # Within a container the name is often one of the host's, of which only the root is mounted.
            limits += [limit(root / group) for group in (inner, *inner.parents)]
    return min(limits)


def limit(group: Path) -> float:
    """Return the cores that one cgroup allows: `cpu.max` of version 2, `cpu.cfs_quota_us` of version 1."""
    told = read(group / "cpu.max").split() or [
        *read(group / "cpu.cfs_quota_us").split(),
        *read(group / "cpu.cfs_period_us").split(),
    ]
    if len(told) != 2 or not all(number.isdecimal() and int(number) > 0 for number in told):
        return math.inf  # "max", or -1: no quota
    return int(told[0]) / int(told[1])


def read(path: Path) -> str:
    """Return what a file of the kernel's says, nothing where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
