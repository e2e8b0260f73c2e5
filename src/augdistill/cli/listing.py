"""What `runs`, `data` and `doctor` print: plain text about what is there."""

import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augdistill import plugins
from augdistill.base.cores import usable_cores
from augdistill.base.errors import AugdistillError, RequestError, WorkError
from augdistill.base.reading import read_json, read_text
from augdistill.base.text import pluralise, printable
from augdistill.store.documents import EvaluationManifest
from augdistill.store.runs import MANIFEST, Run, RunStore, read_manifest
from augdistill.store.tags import tag, tags, untag
from augdistill.store.unfinished import folders

if TYPE_CHECKING:  # numpy, scipy and the schema, which a list of runs does not wait for
    from augdistill.config.groups import Runtime
    from augdistill.metrics import Scores

PACKAGES = (
    "augdistill",
    "torch",
    "torchvision",
    "hydra-core",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "matplotlib",
)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows under a header, columns aligned."""
    lines = [[printable(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def runs_table(runs: Sequence[Run]) -> str:
    """Return a line per run: how it ended, an evaluation's accuracy, its time."""
    rows = [(run.status, accuracy(run), f"{run.manifest.provenance.seconds:.0f} s", run.path.name) for run in runs]
    return table(("status", "accuracy", "time", "run"), rows)


def accuracy(run: Run) -> str:
    """Return an evaluation's accuracy in percent, nothing for other runs."""
    value = run.manifest.accuracy if isinstance(run.manifest, EvaluationManifest) else None
    return "" if value is None else f"{100 * value:.2f} %"


def evaluations_table(evaluations: Sequence[Run]) -> str:
    """Return a line per evaluation: test set, main metrics, run."""
    from augdistill.results.scores import load_scores
    from augdistill.store.evaluations import METRICS_FILE

    read = [(run, load_scores(run.file(METRICS_FILE)).scalars) for run in evaluations]
    return scores_table([(run.evaluation.test_set, scalars, run.manifest.config["run"]) for run, scalars in read])


def shifts_table(shifts: Sequence[Run]) -> str:
    """Return a line per evaluation under shift: under what, its main numbers, run."""
    from augdistill.results.scores import load_scores
    from augdistill.store.evaluations import METRICS_FILE

    rows = []
    heads = {"accuracy": "accuracy", "ece": "ECE", "nll": "NLL", "auroc_msp": "AUROC", "fpr95_msp": "FPR95"}
    for run in shifts:
        scores = load_scores(run.file(METRICS_FILE))
        words = [f"{head} {scores.scalars[name]:.4f}" for name, head in heads.items() if name in scores.scalars]
        at = zip(scores.arrays.get("radii", ()), scores.arrays.get("accuracy_at", ()), strict=False)
        words += [f"accuracy at {radius:g}/255 {value:.4f}" for radius, value in at]
        rows.append((run.shift.test_set, ", ".join(words), run.manifest.config["run"]))
    return table(("under", "", "run"), sorted(rows))


def scores_table(rows: Sequence[tuple[str, dict[str, Any], str]]) -> str:
    """Return a line per test set, scores by name, and what was scored."""
    from augdistill.metrics import METRICS

    headings = {name: metric.heading for name, metric in METRICS.items() if metric.heading}
    shown = {name: head for name, head in headings.items() if any(name in scalars for _, scalars, _ in rows)}
    cells = []
    for test_set, scalars, what in sorted(rows, key=lambda row: (row[2], row[0])):
        values = [f"{scalars[name]:z.4f}" if isinstance(scalars.get(name), float) else "" for name in shown]
        cells.append((test_set, *values, what))
    return table(("test set", *shown.values(), "run"), cells)


def all_scores(scores: "dict[str, Scores]") -> str:
    """Return every metric of every test set, a line each, under its name."""
    lines = []
    for test_set, found in scores.items():
        fitted = " (temperature scaling: " + found.scaling + ")"
        lines += ["", test_set + (fitted if "ece_scaled" in found.scalars else "")]
        lines += [f"  {name:28} {float(value):z.6g}" for name, value in found.scalars.items()]
    return "\n".join(lines)


def show_run(store: RunStore, target: str | None) -> str:
    """Return what is known of a run: how it ended, what made it, where its files are, the end of its history."""
    from augdistill.results.scores import load_scores
    from augdistill.store.evaluations import METRICS_FILE

    run = store.get(named(target, "show"))
    shown: dict[str, Any] = {"run": run.path, "id": run.id, "status": run.status}
    said = run.manifest.plain()
    shown |= {key: said[key] for key in ("collapsed", "training_accuracy", "accuracy", "test_set") if key in said}
    shown |= said["provenance"]
    shown["tags"] = ", ".join(name for name, id in tags(store.outputs).items() if id == run.id) or "none"
    shown["studies"] = ", ".join(studies_of(run, store)) or "none"
    shown["children"] = ", ".join(child.path.name for child in descendants(store, run.id)) or "none"
    shown["files"] = ", ".join(sorted(item.name for item in run.path.iterdir() if not item.name.startswith(".")))
    lines = [f"{key:18} {value}" for key, value in shown.items()]
    lines += ["", read_text(run.path / "config.yaml").rstrip()]
    metrics, history = run.path / METRICS_FILE, run.path / "history.csv"
    if metrics.is_file():
        lines += ["", *(f"{name:28} {value}" for name, value in load_scores(metrics).scalars.items())]
    if history.is_file():
        rows = read_text(history).splitlines()
        lines += ["", *rows[:1], *rows[1:][-3:]]
    return printable("\n".join(lines))


def tagging(store: RunStore, action: str, target: str | None, name: str | None) -> str:
    """Give a run a name of one's own, or take it away; without words, list the tags."""
    if target is None and action == "tag":
        known = {run.id: run.path.name for run in store.all()}
        rows = [(each, known.get(id, "no run any more")) for each, id in tags(store.outputs).items()]
        return table(("tag", "run"), rows) if rows else "no run has a tag: augdistill runs tag RUN NAME gives one"
    if target is None or (action == "tag" and name is None):
        raise RequestError(f"{action} what? type augdistill runs {'tag RUN NAME' if action == 'tag' else 'untag NAME'}")
    if action == "untag":
        untag(store.outputs, target)
        return f"{target} means no run any more"
    run = store.get(target)
    tag(store.outputs, str(name), run.id)
    return f"{name} means {run.path.name}"


def studies_of(run: Run, store: RunStore) -> list[str]:
    """Return the names of the studies that a run is in; a plan that cannot be read names none."""
    from augdistill.store.plans import SavedPlan

    found = []
    for path in sorted((store.outputs / "studies").glob("*/plan.json")):
        with suppress(AugdistillError, FileNotFoundError):
            plan = read_json(path, SavedPlan, "its study writes it again")
            found += [plan.name] if any(stage.id == run.id for stage in plan.stages) else []
    return found


def remove_run(store: RunStore, target: str | None, *, cascade: bool = False, dry_run: bool = False) -> str:
    """Delete a run or a bank, finished or not; a run that is whole not while other runs come from it.

    `cascade` deletes those before it, `dry_run` says what would be deleted.
    """
    path = store.place(named(target, "remove"))
    manifest = None if store.damage(path) else read_manifest(path)
    # One that is damaged is made again under its own name, whatever came from it.
    after = [] if manifest is None else descendants(store, manifest.id)
    if after and not cascade and not dry_run:
        came = f"{pluralise(len(after), 'run')} came from {path.name}"
        raise RequestError(f"{came}: cascade=true removes them before it, dry_run=true lists them")
    paths = [*(run.path for run in reversed(after)), path]
    if dry_run:
        return "\n".join(f"would remove {each}" for each in paths)
    for each in paths:
        store.remove(each)
    return "\n".join(f"removed {each}" for each in paths)


def descendants(store: RunStore, id: str) -> list[Run]:
    """Return the runs that came from one, by way of others too, each after those that it came from."""
    runs, found, ids = store.all(), list[Run](), {id}
    while more := [run for run in runs if run.id not in ids and ids & {*run.manifest.document.parents.values()}]:
        found += more
        ids |= {run.id for run in more}
    return found


def verify_runs(store: RunStore, target: str | None) -> str:
    """Compare the files of every run, or of one, with their checksums; print what is damaged, then raise WorkError."""
    paths = list(folders(store, None).values()) if target is None else [store.place(target)]
    finished = [path for path in paths if (path / MANIFEST).is_file()]
    damaged = 0
    for path in finished:
        wrong = store.damage(path)
        damaged += bool(wrong)
        for line in wrong:
            print(line)
    others = f", {len(paths) - len(finished)} unfinished" if len(paths) > len(finished) else ""
    checked = f"{pluralise(len(finished), 'run')} checked{others}"
    if damaged:
        raise WorkError(f"{checked}, {damaged} damaged: augdistill runs remove RUN, then what made it makes it again")
    return f"{checked}, none damaged"


def named(target: str | None, action: str) -> str:
    """Return the target; RequestError if there is none."""
    if target is None:
        raise RequestError(f"{action} which run? type augdistill runs {action} RUN; augdistill runs lists them")
    return str(target)


def data_status(root: Path, cache: Path) -> str:
    """Return a line per dataset and split: whether it is there, where, and what is known of it."""
    from augdistill.data import status

    rows = []
    for row in status(root, cache):
        todo = {"missing": "fetch", "there, not verified": "verify"}.get(row.state)
        remedy = f"augdistill data {todo} {row.dataset}" if todo and row.dataset != "image-folder" else ""
        count = "" if row.count is None else f"{row.count:,}"
        note = "; ".join(filter(None, (row.note, remedy)))
        rows.append((row.dataset, row.split, row.state, count, row.where, note))
    return table(("dataset", "split", "", "images", "where", ""), rows)


def verify_data(name: str, root: Path, cache: Path) -> str:
    """Return a line for each split of a dataset whose files were just read; raises DataError for one that is wrong."""
    from augdistill.data import verify

    lines = []
    for found in verify(name, root, cache):
        what = "the publisher's files" if found.verified else "read; its publisher has no checksums of files"
        lines.append(f"{name} {found.split}: {found.count:,} images, {what}{f' ({found.note})' if found.note else ''}")
    return "\n".join(lines)


def examine(runtime: "Runtime", root: Path, outputs: Path) -> str:
    """Return versions, plugins, the device and precision of `runtime`, datasets, whether outputs can be written."""
    import torch

    from augdistill.training.device import resolve

    machine = f"{platform.system()} {platform.machine()}, {usable_cores()} of {os.cpu_count()} cores usable"
    lines = [f"{'python':18} {platform.python_version()} on {machine}"]
    lines += [f"{name:18} {installed(name)}" for name in PACKAGES]
    lines += [f"{f'plugin {prefix}':18} {told}" for prefix, told in plugins.report()]
    try:
        facts = resolve(runtime.device, runtime.precision, runtime.threads).facts()
        lines.append(f"{'device':18} {facts['device']} ({facts['hardware']})")
        lines.append(f"{'precision':18} {runtime.precision} means {facts['precision']} here")
    except AugdistillError as error:
        lines.append(f"{'device':18} {error}")
    cuda = f"{torch.cuda.device_count()} devices" if torch.cuda.is_available() else "none"
    lines.append(f"{'cuda':18} {cuda}")
    lines.append(f"{'outputs':18} {outputs.resolve()}: {writable(outputs)}")
    return "\n".join([*lines, "", data_status(root, outputs / "cache")])


def installed(name: str) -> str:
    """Return a package's version, or that it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return f"missing: {sys.executable} -m pip install {name}"


def writable(folder: Path) -> str:
    """Say whether results can be written below a folder, without creating it: by a file without a name."""
    there = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there, buffering=0) as file:
            file.write(b"0")
    except OSError as error:
        return f"CANNOT be written ({there}: {error.strerror or error}): outputs="
    return "can be written"
