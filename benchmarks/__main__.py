"""python -m benchmarks [ROW ...]: our code and the conventional loop in turn, as ratios, gates first."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from augdistill.base.cores import usable_cores
from benchmarks import accuracy, study
from benchmarks.measure import EAGER, Result, Side, Timed, in_turn, machine, peaks, pluralise
from benchmarks.rows import ROWS
from benchmarks.sides import Setting

TARGETS = {**{name: row.target for name, row in ROWS.items()}, study.NAME: study.TARGET}
TARGETS[accuracy.NAME] = accuracy.TARGET
APART = (study.NAME, accuracy.NAME)  # rows without sides


def arguments(words: list[str]) -> argparse.Namespace:
    """Return what was typed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(TARGETS)}; all, if none is named")
    parser.add_argument("--pairs", type=int, default=5, help="rounds of A B A B")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--outputs", type=Path, default=Path("outputs/benchmarks"), help="where results are written")
    parser.add_argument("--quick", action="store_true", help="digits and tiny models: shows that it runs, no figures")
    parser.add_argument("--memory", action="store_true", help="the peak memory of each side, alone in a process")
    parser.add_argument("--no-gates", action="store_true", help="they held for this code already")
    parser.add_argument(
        "--study", action="append", default=[], metavar="KEY=VALUE", help=f"an override of {study.NAME}"
    )
    parser.add_argument("--epochs", type=int, help=f"of every teacher of {accuracy.NAME}, in place of its recipe's")
    parser.add_argument("--side", help=argparse.SUPPRESS)  # one side alone, for its memory
    found = parser.parse_args(words)
    if unknown := set(found.rows) - set(TARGETS):
        parser.error(f"no row is called {', '.join(sorted(unknown))}: known are {', '.join(TARGETS)}")
    return found


def main(words: list[str]) -> int:
    """Check the gates, run the rows, and print and save each as soon as it is measured; one that fails is told."""
    asked = arguments(words)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    root = Path(os.environ.get("AUGDISTILL_DATA", "data"))
    setting = Setting(asked.outputs / "cache", root, asked.quick, device, asked.threads)
    if asked.side:
        return peak_of(setting, asked.rows[0], asked.side)
    print(json.dumps(machine()), flush=True)
    if not asked.no_gates:
        from benchmarks import gates

        try:
            gates.run(
                setting.cache, root, asked.quick, device, asked.threads, lambda line: print(f"gate: {line}", flush=True)
            )
        except gates.GateError as error:
            print(f"gate: {error}: no figures", file=sys.stderr)
            return 1
    reached = peaks(device, asked.threads, 256 if asked.quick else 8192 if setting.on_gpu else 2048)
    print("this machine:", ", ".join(f"{name} {value:.0f}" for name, value in reached.items()), flush=True)
    failed = [name for name in asked.rows or TARGETS if not run(name, setting, asked, reached)]
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(name: str, setting: Setting, asked: argparse.Namespace, reached: dict[str, float]) -> bool:
    """Measure a row, print and save it; return whether it worked, or could not be expected to."""
    print(f"\n{name} (target: {TARGETS[name]})", flush=True)
    if (why := not_here(name, setting, asked.memory)) is not None:
        print(f"  not run: {why}")
        return True
    began = time.monotonic()
    if setting.on_gpu:
        torch.cuda.empty_cache()  # what the row before kept is for other processes, too
    try:
        if name in APART:
            is_study = name == study.NAME
            found = (
                study.measure(setting, asked.outputs, asked.study)
                if is_study
                else accuracy.measure(setting, asked.epochs)
            )
            found |= {"machine": machine(), "quick": setting.quick}
        elif asked.memory:
            found = memory(asked, name, setting)
        else:
            found = speed(setting, name, asked.pairs, reached)
    except Exception:
        traceback.print_exc()
        return False
    path = asked.outputs / f"{name}{'-memory' if asked.memory else ''}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1))
    print(f"  measured in {time.monotonic() - began:.0f} s", flush=True)
    return True


def not_here(name: str, setting: Setting, memory: bool) -> str | None:
    """Return why a row is not measured here, None if it is."""
    if name in APART and memory:
        return "it has no sides"
    if name == accuracy.NAME:
        return None
    if name == study.NAME:
        return None if setting.on_gpu or setting.quick else "the study, and its first block alone, take a GPU"
    if ROWS[name].runs(setting):
        return None
    return "this machine has no GPU" if ROWS[name].only == "cuda" else "it is about a machine without a GPU"


def speed(setting: Setting, name: str, pairs: int, reached: dict[str, float]) -> dict[str, Any]:
    """Measure one row, print it, and return it for the file."""
    result, ready = in_turn(name, ROWS[name].sides(setting), pairs)
    result.facts = {"peaks": reached, "device": setting.device, "threads": setting.threads, "quick": setting.quick}
    for side, found in result.seconds.items():
        middle, ratios = statistics.median(found), result.ratios(side)
        unit = "s" if name == "quickstart" else "us an image"
        took = f"{middle * (1 if name == 'quickstart' else 1e6):10.2f} {unit}, warm-up {result.warm_up[side]:.1f} s"
        spread = f"{statistics.median(ratios):8.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"  {side:38}{took}{spread}", flush=True)
    for side, why in result.failed.items():
        print(f"  {side:38}failed, {why}", flush=True)
    if ROWS[name].counts:
        result.facts["ours"] = limits(result, ready.get("ours") or ready["ours" + EAGER], reached)
    return result.to_json()


def limits(result: Result, mine: Side, reached: dict[str, float]) -> dict[str, Any]:
    """Return what our side computes and moves an image, and which share of the machine's peaks that is; print it.

    Counted where steps are eager, since nobody sees what a graph does, and set against the better way's time.
    """
    work, done = pluralise(mine)
    images = done.images + done.apart if isinstance(done, Timed) else done
    work = {name: value / images for name, value in work.items()}
    way = result.best("ours")
    seconds = statistics.median(result.seconds[way])
    computing = work["gflop"] / seconds / reached["bfloat16_gflops"]
    moving = work["gbyte"] / seconds / reached["copy_gbytes"]
    print(
        f"  {way}: {1e3 * work['gflop']:.2f} Mflop and {1e3 * work['gbyte']:.2f} MB an image, {computing:.0%} and",
        end="",
    )
    print(f" {moving:.0%} of what this machine reaches in bf16 products and in copies")
    return {"way": way, **work, "share_of_bf16_peak": computing, "share_of_copy_peak": moving}


def memory(asked: argparse.Namespace, name: str, setting: Setting) -> dict[str, dict[str, float]]:
    """Print and return the peak memory of each side in MB, each alone in a fresh process."""
    found = {}
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}  # where a study ran, no folder is added by -m
    for side in ROWS[name].sides(setting):
        words = [name, "--side", side, "--outputs", str(asked.outputs), "--threads", str(asked.threads)]
        command = [sys.executable, "-m", "benchmarks", *words, *(["--quick"] if asked.quick else [])]
        told = subprocess.run(command, env=here, stdout=subprocess.PIPE, text=True, check=True).stdout
        found[side] = json.loads(told.splitlines()[-1])
        held = ", ".join(f"{where} {size:.0f} MB" for where, size in found[side].items())
        print(f"  {side:38}{held} at most", flush=True)
    return found


def peak_of(setting: Setting, name: str, side: str) -> int:
    """Run one side twice and print the most memory, in MB, that this process or a child, and tensors on a GPU, held."""
    work = ROWS[name].sides(setting)[side]()
    work(), work()
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    held = {"process": max(resource.getrusage(who).ru_maxrss for who in whose) / 1024}
    if setting.on_gpu:
        held["gpu"] = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps(held))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
