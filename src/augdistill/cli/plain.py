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


def runs(outputs: Path, action: str, target: str | None, watch: bool, watch_seconds: float) -> None:
    """List, show, verify (checksums) or remove runs; --watch lists them as they come, until Ctrl-C."""
    from augdistill.cli.listing import list_runs, remove_run, show_run, verify_runs
    from augdistill.store.runs import RunStore

    actions = {"list": list_runs, "show": show_run, "verify": verify_runs, "remove": remove_run}
    one_of("action", action, actions)
    if watch:
        from augdistill.cli import watching

        require(action == "list", "watch", "true", "with list alone: augdistill runs list [KIND] --watch")
        watching.watch(RunStore(outputs), target, watch_seconds)
        return
    print(actions[action](RunStore(outputs), target))


def data(outputs: Path, action: str, target: str | None, dataset_root: Path) -> None:
    """Say which datasets are there and where they are looked for, or fetch one from its publisher."""
    from augdistill.cli.listing import data_status
    from augdistill.data import fetch

    one_of("action", action, ("status", "fetch"))
    if action == "fetch":
        if target is None:
            raise RequestError(
                "fetch what? type augdistill data fetch NAME, as in fetch cifar10; augdistill data lists all"
            )
        fetch(target, dataset_root)
    print(data_status(dataset_root, outputs / "cache"))


def report(outputs: Path, studies: list[str]) -> None:
    """Write the tables, figures and verdicts of studies as one page, from saved results alone, unfinished ones too."""
    from augdistill.report.command import report as write

    write(studies, outputs)


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
                Option("watch", truth, "false", "list runs as they come"),
                Option("watch_seconds", seconds, "2", "between two looks"),
            ),
            ("action", "target"),
            "[list [teacher|outputs|student|evaluation] | show RUN | verify [RUN] | remove RUN or BANK] [--watch]",
        ),
        "data": Command(
            data,
            (*common, Option("action", text, "status", "the plain word after the command"), target, root),
            ("action", "target"),
            "[status | fetch cifar10|cifar100|mnist|...] [dataset.root=FOLDER]",
        ),
        "report": Command(
            report,
            (*common, Option("studies", texts, "quickstart", "the plain words after the command, or study=A,B")),
            ("studies",),
            "[STUDY ...] [outputs=FOLDER]",
            {"study": "studies"},
        ),
        "compare": Command(compare, (*common, *comparing()), ("study",), "STUDY --a ARM --b ARM", {"studies": "study"}),
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
