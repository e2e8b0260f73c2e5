"""The commands that compose no config: what they do, and which options they have."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from augdistill.base.checks import one_of, require
from augdistill.base.errors import RequestError, as_work_error
from augdistill.cli.options import (
    Command,
    Option,
    or_null,
    path,
    read,
    seconds,
    text,
    texts,
    truth,
    whole,
)


def run(command: str, words: Sequence[str]) -> None:
    """Run a command with what is typed after its name; raises RequestError for a word that it does not have."""
    chosen = commands()[command]
    values = read(command, chosen, words)
    del values["wait"]
    form = f"%(asctime)s augdistill {command}: %(message)s"
    logging.basicConfig(format=form, datefmt="%H:%M:%S", level=logging.WARNING)
    logging.getLogger("augdistill").setLevel(logging.INFO)
    with as_work_error():
        chosen.run(**values)


def runs(
    outputs: Path,
    action: str,
    target: str | None,
    other: str | None,
    study: str | None,
    where: list[str] | None,
    sort: str | None,
    format: str,
    cascade: bool,
    dry_run: bool,
    watch: bool,
    watch_seconds: float,
) -> None:
    """List models with accuracies; show, diff, verify, tag, remove or export runs; --watch lists as they come."""
    from augdistill.cli.catalogue import difference, list_runs
    from augdistill.cli.listing import remove_run, show_run, tagging, verify_runs
    from augdistill.store.documents import KINDS
    from augdistill.store.runs import RunStore

    store = RunStore(outputs)
    if action in KINDS and target is None:
        action, target = "list", action
    one_of("action", action, ("list", "show", "diff", "verify", "remove", "tag", "untag", "export"))
    if other is not None and action not in ("diff", "tag", "export"):
        raise RequestError(f"too many words: {target} {other}; runs {action} takes one")
    if watch:
        from augdistill.cli import watching

        require(action == "list", "watch", "true", "with list alone: augdistill runs list [KIND] --watch")
        watching.watch(store, target, watch_seconds)
    elif action == "list":
        print(list_runs(store, target, study, where or (), sort, format))
    elif action == "diff":
        print(difference(store, target, other))
    elif action == "export":
        from augdistill.cli.tracked import exported

        print(exported(store, target, other, study, where or ()))
    elif action in ("tag", "untag"):
        print(tagging(store, action, target, other))
    elif action == "remove":
        print(remove_run(store, target, cascade=cascade, dry_run=dry_run))
    else:
        print({"show": show_run, "verify": verify_runs}[action](store, target))


def gc(outputs: Path, remove: bool) -> None:
    """Say which runs no study needs and no tag keeps, and how large they are."""
    from augdistill.cli.tidying import collected
    from augdistill.store.runs import RunStore

    print(collected(RunStore(outputs), remove=remove))


def data(outputs: Path, action: str, target: str | None, dataset_root: Path) -> None:
    """Say which datasets are there and where they are looked for; fetch one from its publisher, or verify its files."""
    from augdistill.cli.listing import data_status, verify_data
    from augdistill.data import fetch, status

    one_of("action", action, ("status", "fetch", "verify"))
    cache = outputs / "cache"
    if action != "status" and target is None:
        raise RequestError(
            f"{action} what? type augdistill data {action} NAME, as in {action} cifar10; augdistill data lists all"
        )
    if action == "status" and target is not None:
        raise RequestError(f"too many words: {target}; augdistill data lists all")
    if action == "verify":
        print(verify_data(str(target), dataset_root, cache))
        return
    if action == "fetch" and not fetch(str(target), dataset_root):
        rows = [row for row in status(dataset_root, cache) if row.dataset == target]
        if any(row.state == "there, not verified" for row in rows):
            print(verify_data(str(target), dataset_root, cache))
    print(data_status(dataset_root, cache))


def report(outputs: Path, studies: list[str] | None, runs: list[str] | None) -> None:
    """Write the tables, figures and verdicts of studies as one page, from saved results alone, unfinished ones too.

    With runs=..., those that were trained one by one or by sweeps are reported, under the name given.
    """
    from augdistill.report import command

    if runs is None:
        command.report(["quickstart"] if studies is None else studies, outputs)
    else:
        command.report_runs(["runs"] if studies is None else studies, runs, outputs)


def compare(
    outputs: Path,
    study: str,
    a: str | None,
    b: str | None,
    metric: str,
    test_set: str | None,
    paired: bool | None,
    classes: bool,
) -> None:
    """Print the difference of two arms of a study, from saved results alone.

    An arm is COLUMN=VALUE,...: role, model, teacher_aug, student_aug, variant, precision.
    """
    from augdistill.report.contrasts import contrast

    print(contrast(outputs, study, a, b, metric, test_set, paired, classes=classes))


def export(
    outputs: Path,
    run: str | None,
    format: str,
    preprocessing: bool,
    int8: bool,
    benchmark: bool,
    dataset_root: str | None,
    dataset_path: str | None,
) -> None:
    """Write a run's model as a file that others run, below outputs/exports, and check that it predicts the same.

    The preprocessing is inside: uint8 images [B,C,H,W] in, logits [B,K] out, B of any size.
    """
    if run is None:
        raise RequestError("export which run? type augdistill export RUN; augdistill runs lists them")
    from augdistill.export.command import export as write

    where = {"root": dataset_root, "path": dataset_path}
    for line in write(run, outputs, format, preprocessing, int8, benchmark, **where):
        print(line)


def claims(outputs: Path, name: str | None) -> None:
    """List the ready studies of what papers claim, with what each judges; of one also its paper and numbers."""
    from augdistill.cli.library import listed

    print(listed(name))


def doctor(outputs: Path, dataset_root: Path, **runtime: str | int | bool) -> None:
    """Say what this machine has and what augdistill will do with it."""
    from augdistill.cli.listing import examine
    from augdistill.config.checking import check_group

    checked = check_group("runtime", {key.removeprefix("runtime_"): value for key, value in runtime.items()})
    print(examine(checked, dataset_root, outputs))


def commands() -> dict[str, Command]:
    """Return the commands by name."""
    common = (
        Option("outputs", path, "outputs", "the folder of runs, studies and reports"),
        Option("wait", truth, "true"),  # of the commands that work; here nothing waits
    )
    root = Option("dataset.root", path, os.environ.get("AUGDISTILL_DATA", "data"), "where datasets lie")
    target = Option("target", or_null(text), "null", "the plain word after the action")
    return {
        "runs": Command(
            runs,
            (
                *common,
                Option("action", text, "list", "the plain word after the command"),
                target,
                Option("other", or_null(text), "null", "the second plain word after diff, tag and export"),
                Option("study", or_null(text), "null", "models of this study alone"),
                Option("where", or_null(texts), "null", "models that are so, as in where=student=lenet,T=4"),
                Option("sort", or_null(text), "null", "by a column, as in sort=accuracy; null is oldest first"),
                Option("format", text, "table", "table, csv or json"),
                Option("cascade", truth, "false", "remove what came from a run before it"),
                Option("dry_run", truth, "false", "say what would be removed"),
                Option("watch", truth, "false", "list runs as they come"),
                Option("watch_seconds", seconds, "2", "between two looks"),
            ),
            ("action", "target", "other"),
            "[[list] [KIND] | show RUN | diff RUN RUN | verify [RUN] | tag [RUN NAME] | untag NAME | remove RUN | "
            "export TRACKER [RUN]] "
            "[where=...] [--watch]",
        ),
        "gc": Command(
            gc, (*common, Option("remove", truth, "false", "remove them")), (), "[remove=true] [outputs=FOLDER]"
        ),
        "data": Command(
            data,
            (*common, Option("action", text, "status", "the plain word after the command"), target, root),
            ("action", "target"),
            "[status | fetch NAME | verify NAME] [dataset.root=FOLDER]",
        ),
        "report": Command(
            report,
            (
                *common,
                Option("studies", or_null(texts), "null", "the plain words; null is quickstart, or runs"),
                Option("runs", or_null(texts), "null", "models that are so, or all, as in runs=student=lenet,T=4"),
            ),
            ("studies",),
            "[STUDY ...] | [NAME] runs=all|KEY=VALUE,... [outputs=FOLDER]",
            {"study": "studies"},
        ),
        "compare": Command(compare, (*common, *comparing()), ("study",), "STUDY --a ARM --b ARM", {"studies": "study"}),
        "export": Command(
            export,
            (*common, *exporting()),
            ("run",),
            "RUN [format=onnx|torchscript|torch-export|safetensors] [--int8] [--benchmark]",
        ),
        "claims": Command(
            claims,
            (*common, Option("name", or_null(text), "null", "the plain word after the command")),
            ("name",),
            "[NAME]",
        ),
        "doctor": Command(doctor, (*common, root, *computing()), (), "[dataset.root=FOLDER] [runtime.device=cuda ...]"),
    }


def comparing() -> tuple[Option, ...]:
    """Return the options that say what is compared."""
    return (
        Option("study", text, "quickstart", "the plain word after the command"),
        Option("a", or_null(text), "null", "an arm, as in teacher_aug=cutmix,model=lenet"),
        Option("b", or_null(text), "null", "the arm that is subtracted"),
        Option("metric", text, "accuracy", "or another one of the report's results.csv"),
        Option("test_set", or_null(text), "null", "null is the study's own"),
        Option(
            "paired", or_null(truth), "null", "by student seed, or a teacher with its students; null where that is so"
        ),
        Option("classes", truth, "true", "within each class too, p-values adjusted over the classes"),
    )


def exporting() -> tuple[Option, ...]:
    """Return the options that say what is exported and how."""
    return (
        Option("run", or_null(text), "null", "the plain word after the command"),
        Option("format", text, "onnx", "onnx, torchscript, torch-export, safetensors (weights alone)"),
        Option("preprocessing", truth, "true", "false takes normalised floats instead of bytes"),
        Option("int8", truth, "false", "beside it, quantised dynamically, with its accuracy; of onnx"),
        Option("benchmark", truth, "false", "parameters, MACs, size, latency, throughput, and its teacher's"),
        Option("dataset.root", or_null(text), "null", "where the test set lies; null is where the run found it"),
        Option("dataset.path", or_null(text), "null", "the same of your own images"),
    )


def computing() -> tuple[Option, ...]:
    """Return the options that say where and how a job would run; words are checked where they are used."""
    return (
        Option("runtime.device", text, "auto", "auto, cpu, cuda"),
        Option("runtime.precision", text, "auto", "auto, fp32, bf16"),
        Option("runtime.threads", whole, "1", "on CPU"),
        Option("runtime.deterministic", truth, "false"),
        Option("runtime.checkpoint_every", text, "5min"),
        Option("runtime.cuda_graphs", text, "auto"),
    )
