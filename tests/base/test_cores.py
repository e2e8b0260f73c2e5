"""Cores that may be used: affinity, and quotas of cgroups as the kernel writes them, in folders made here."""

import os
from pathlib import Path

import pytest

from augdistill.base.cores import usable_cores


def cgroup(tmp_path: Path, membership: str, files: dict[str, str]) -> dict[str, Path]:
    for name, content in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "membership").write_text(membership)
    return {"cgroups": tmp_path / "fs", "membership": tmp_path / "membership"}


V1 = "12:pids:/docker/x\n4:cpu,cpuacct:/docker/x\n"


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/job\n", {"job/cpu.max": "300000 100000\n"}, 3),
        ("0::/job\n", {"job/cpu.max": "250000 100000\n"}, 2),  # two and a half
        ("0::/job\n", {"job/cpu.max": "50000 100000\n"}, 1),  # half of one is one
        ("0::/job\n", {"job/cpu.max": "max 100000\n"}, 16),
        ("0::/user/job\n", {"user/job/cpu.max": "max 100000\n", "user/cpu.max": "400000 100000\n"}, 4),  # the parent's
        ("0::/not/mounted/here\n", {"cpu.max": "200000 100000\n"}, 2),  # within a container
        (
            V1,
            {"cpu,cpuacct/docker/x/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000"},
            2,
        ),
        (V1, {"cpu/docker/x/cpu.cfs_quota_us": "200000\n", "cpu/docker/x/cpu.cfs_period_us": "100000\n"}, 2),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ("", {}, 16),
    ],
)
def test_a_quota_bounds_the_cores(membership, files, cores, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)))
    assert usable_cores(**cgroup(tmp_path, membership, files)) == cores


def test_the_affinity_bounds_them_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3})
    assert usable_cores(**cgroup(tmp_path, "0::/job\n", {"job/cpu.max": "300000 100000\n"})) == 1
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS and Windows have none
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert usable_cores(tmp_path, tmp_path / "nothing") == 5


def test_here_they_are_those_of_this_process():
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
