"""python -m benchmarks [ROW ...]: our code and the conventional loop in turn, as ratios, gates first."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import gates
from benchmarks.measure import Result, counted, in_turn, machine, peaks
from benchmarks.rows import NOT_HERE, ROWS
from benchmarks.sides import Setting


def arguments(words: list[str]) -> argparse.Namespace:
    """Return what was typed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all, if none is named")
    parser.add_argument("--pairs", type=int, default=5, help="rounds of A B A B")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outputs", type=Path, default=Path("outputs/benchmarks"), help="where results are written")
    parser.add_argument("--quick", action="store_true", help="digits and tiny models: shows that it runs, no figures")
    parser.add_argument("--memory", action="store_true", help="the peak memory of each side, alone in a process")
    parser.add_argument("--no-gates", action="store_true", help="they held for this code already")
    parser.add_argument("--side", help=argparse.SUPPRESS)  # one side alone, for its memory
    found = parser.parse_args(words)
    if unknown := set(found.rows) - set(ROWS):
        parser.error(f"no row is called {', '.join(sorted(unknown))}: known are {', '.join(ROWS)}")
    return found


def main(words: list[str]) -> int:
    """Check the gates, run the rows, and print and save each as soon as it is measured."""
    asked = arguments(words)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    root = Path(os.environ.get("AUGDISTILL_DATA", "data"))
    setting = Setting(asked.outputs / "cache", root, asked.quick, device, asked.threads)
    if asked.side:
        return peak_of(setting, asked.rows[0], asked.side)
    print(json.dumps(machine()))
    if not asked.no_gates:
        try:
            gates.run(setting.cache, root, asked.quick, lambda line: print(f"gate: {line}", flush=True))
        except gates.GateError as error:
            print(f"gate: {error}: no figures", file=sys.stderr)
            return 1
    reached = peaks(asked.threads, 256 if asked.quick else 2048)
    print("this machine:", ", ".join(f"{name} {value:.0f}" for name, value in reached.items()))
    for name in asked.rows or ROWS:
        print(f"\n{name} (target: {ROWS[name].target})", flush=True)
        found = memory(asked, name) if asked.memory else speed(setting, name, asked.pairs, reached)
        path = asked.outputs / f"{name}{'-memory' if asked.memory else ''}.json"
        path.write_text(json.dumps(found, indent=1))
    for name, why in {} if asked.rows else {**NOT_HERE, **gpu_targets(device)}.items():
        print(f"\n{name}: not run, {why}")
    return 0


def gpu_targets(device: str) -> dict[str, str]:
    """Return what the table's GPU column wants where there is no GPU."""
    return {} if device == "cuda" else {"the targets for a GPU": "this machine has none"}


def speed(setting: Setting, name: str, pairs: int, reached: dict[str, float]) -> dict[str, Any]:
    """Measure one row, print it, and return it for the file."""
    ready = {side: make() for side, make in ROWS[name].sides(setting).items()}
    result = in_turn(name, ready, pairs)
    result.facts = {"machine": reached, "threads": setting.threads, "quick": setting.quick}
    for side, found in result.seconds.items():
        middle, ratios = statistics.median(found), result.ratios(side)
        unit = "s" if name == "quickstart" else "us an image"
        took = f"{middle * (1 if name == 'quickstart' else 1e6):10.1f} {unit}, warm-up {result.warm_up[side]:.1f} s"
        spread = f"{statistics.median(ratios):8.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"  {side:38}{took}{spread}", flush=True)
    if ROWS[name].counts:
        result.facts["ours"] = limits(result, ready["ours"], reached)
    return result.to_json()


def limits(result: Result, mine: Any, reached: dict[str, float]) -> dict[str, float]:
    """Return what our side computes and moves an image, and which share of the machine's peaks that is; print it."""
    images = mine()
    work = {name: value / images for name, value in counted(mine).items()}
    seconds = statistics.median(result.seconds["ours"])
    computing = work["gflop"] / seconds / reached["bfloat16_gflops"]
    moving = work["gbyte"] / seconds / reached["copy_gbytes"]
    print(
        f"  ours: {1e3 * work['gflop']:.2f} Mflop and {1e3 * work['gbyte']:.2f} MB an image, {computing:.0%} and",
        end="",
    )
    print(f" {moving:.0%} of what this machine reaches in bf16 products and in copies")
    return {**work, "share_of_bf16_peak": computing, "share_of_copy_peak": moving}


def memory(asked: argparse.Namespace, name: str) -> dict[str, float]:
    """Print and return the peak memory of each side in MB, each alone in a fresh process."""
    found = {}
    setting = Setting(asked.outputs / "cache", Path(), asked.quick, "cpu", asked.threads)
    for side in ROWS[name].sides(setting):
        words = [name, "--side", side, "--outputs", str(asked.outputs), "--threads", str(asked.threads)]
        command = [sys.executable, "-m", "benchmarks", *words, *(["--quick"] if asked.quick else [])]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found[side] = float(told.splitlines()[-1])
        print(f"  {side:38}{found[side]:8.0f} MB at most", flush=True)
    return found


def peak_of(setting: Setting, name: str, side: str) -> int:
    """Run one side twice and print the most memory that this process, or one of its children, held, in MB."""
    work = ROWS[name].sides(setting)[side]()
    work(), work()
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    print(max(resource.getrusage(who).ru_maxrss for who in whose) / 1024)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
