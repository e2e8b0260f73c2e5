"""What `augdistill report` does: build, write, and say where the page is."""

import gc
import logging
import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augdistill.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from augdistill.claims.verdict import Verdict

log = logging.getLogger(__name__)


def report(studies: object, outputs: Path) -> None:
    """Write the report of studies, one name or a list of them, from saved results alone, and print where it is.

    Raises ConfigError for a study that is no name, RequestError for one that was never started.
    """
    page, answers = write_report(study_names(studies), outputs)
    print("\n".join([*answers, f"report: {page}"]))


def report_runs(names: object, words: list[str], outputs: Path) -> None:
    """Write the report of runs that no study planned, those that are as each KEY=VALUE says, and print where it is.

    Raises RequestError for runs that no page can hold, ConfigError for more than one name.
    """
    from augdistill.results.loose import adopt
    from augdistill.store.runs import RunStore

    (name, *others) = study_names(names)
    if others:
        raise ConfigError(f"runs={','.join(words)} makes one page: name one, not {name} and {others[0]}")
    command = shlex.join(["augdistill", "report", name, f"runs={','.join(words)}"])
    adopt(RunStore(outputs), words, name, command)
    report(name, outputs)


def study_names(study: object) -> list[str]:
    """Return the names that `study=NAME` or `study=[NAME,NAME]` gives, each once."""
    names: list[Any] = list(study) if isinstance(study, list | tuple) else [study]
    wrong = [name for name in names if not isinstance(name, str) or Path(name).name != name or name in ("", "..")]
    if wrong or not names:
        raise ConfigError(f"study={study} is not the name of a study: study=NAME, or 'study=[NAME,NAME]' to join some")
    for name, count in Counter(names).items():
        if count > 1:
            log.warning("%s is named %d times: it is reported once", name, count)
    return list(dict.fromkeys(names))


def write_report(names: list[str], outputs: Path) -> tuple[Path, list[str]]:
    """Write the report of studies and return the path of the page, and the answer of each study."""
    from augdistill.report.building import build_report
    from augdistill.report.files import write_files
    from augdistill.report.page.html import write_page

    with without_garbage_collection():
        built = build_report(names, outputs)
        write_files(built)
        answers = [f"{study.saved.name}: {study.headline.answer}" for study in built.studies]
        return write_page(built), [*answers, *decided(built.verdicts)]


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Leave cycles alone while the block runs: drawings are many small objects, of which nearly all live to its end.

    A page took a seventh less time so, and 15 MB more.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def decided(verdicts: "Sequence[Verdict]") -> list[str]:
    """Return a line for each claim that is decided, one way or the other: what it is, what became of it, how large."""
    from augdistill.report.sentences import sentences
    from augdistill.stats import decisions as de

    claims = [each for each in verdicts if each.outcome in (de.SUPPORTED, de.CONTRADICTED, de.IN_PART)]
    return [f"  {found.claim.id:3} {found.claim.text}: {' '.join(sentences(found)[:2])}" for found in claims]
