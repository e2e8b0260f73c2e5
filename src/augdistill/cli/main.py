"""The command line: compose a config with Hydra and hand it to its command, which checks it."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from augdistill.base.errors import AugdistillError, ConfigError, RequestError, StoppedError, WorkError, as_work_error
from augdistill.base.safepath import leave_out_current_folder
from augdistill.cli import streams

if TYPE_CHECKING:
    from hydra.conf import HydraConf
    from omegaconf import DictConfig

    from augdistill.config import Config

log = logging.getLogger("augdistill")

# what Hydra composes a config for
COMPOSING = ("study", "train-teacher", "distill", "evaluate", "evaluate-attack", "import-teacher")
COMMANDS = {
    "study": "teachers, students, evaluations and a page: study NAME",
    "train-teacher": "train one teacher: aug=cutmix seed=1",
    "distill": "distil one student from it: student=lenet aug=cutmix",
    "evaluate": "evaluate every finished run that has no current evaluation",
    "evaluate-attack": "accuracy under attack: attack=pgd run=RUN",
    "import-teacher": "a teacher from elsewhere: name=NAME weights=FILE",
    "export": "a model as a file that others run: export RUN format=onnx",
    "runs": "list, show, diff, verify, tag, remove or export runs",
    "gc": "the runs that no study needs, and their size",
    "data": "what datasets are there; fetch NAME gets one, verify NAME",
    "report": "a study's tables, figures and verdicts again: report NAME",
    "claims": "ready studies of what papers claim: claims NAME",
    "compare": "any two arms of a study: STUDY --a ARM --b ARM",
    "doctor": "versions, device, datasets, whether results can be written",
    "completion": "of commands, keys and choices: bash, zsh or fish",
}


def main() -> None:
    """Run the command line and exit: 0 done, 1 something failed, 2 the request was wrong, 143 stopped by a signal."""
    leave_out_current_folder()
    words = sys.argv[1:]
    command = words[0] if words else ""
    streams.prepare(goes_on=command in COMPOSING)
    code = exit_code_of(command, words)
    if lost := streams.flush():
        print(f"augdistill {command}: what it prints could not be written: {lost}", file=sys.stderr)
        code = code or 1
    raise SystemExit(code)


def exit_code_of(command: str, words: list[str]) -> int:
    """Run the command line and return its exit code; an error is printed in one line."""
    if command in ("", "-h", "--help", "help"):
        print(usage())
        return 0 if words else 2
    if command in ("--version", "-V", "version"):
        from importlib.metadata import version

        print(f"augdistill {version('augdistill')}")
        return 0
    try:
        dispatch(command, words[1:])
    except AugdistillError as error:
        from augdistill.base.text import printable

        print(printable(f"augdistill {command}: {error}"), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 0  # nobody reads on
    except SystemExit as ended:  # Hydra's, of a flag such as --help
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        print(f"augdistill {command}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def usage() -> str:
    """Return what `augdistill --help` prints."""
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items())
    return (
        "augdistill: what a teacher's data augmentation does to its students\n\n"
        f"usage: augdistill COMMAND [KEY=VALUE ...] [-m] [--cfg job] [--help]\n\n{lines}\n\n"
        "augdistill COMMAND --help lists a command's groups and values."
    )


def dispatch(command: str, words: list[str]) -> None:
    """Run one command: those that compose a config under Hydra, whose errors become one line."""
    from augdistill.base.checks import nearest

    if command not in COMMANDS:
        raise RequestError(f"no such command{nearest(command, COMMANDS)}: there are {', '.join(COMMANDS)}")
    if command == "completion":
        from augdistill.cli.completion import completion

        print(completion(words))
        return
    words = with_outputs(words)
    if command not in COMPOSING:
        from augdistill.cli import plain

        plain.run(command, words)
        return
    if not {*words}.isdisjoint(("--help", "-h")):
        print(helped(command, words))
        return
    from augdistill.cli.composing.flags import check_flags
    from augdistill.cli.words import written_out

    words = written_out(command, words)
    check_flags(words)
    compose(command, words)


def with_outputs(words: list[str]) -> list[str]:
    """Return words that name the folder of results: as they are typed, else as $AUGDISTILL_OUTPUTS says, if it does."""
    named = os.environ.get("AUGDISTILL_OUTPUTS")
    is_typed = any(word.partition("=")[0].lstrip("+-") == "outputs" for word in words)
    return words if is_typed or not named else [*words, f"outputs={named}"]


def helped(command: str, words: list[str]) -> str:
    """Return what --help prints of a command with these words, or of the keys that are named after it."""
    from itertools import pairwise

    from augdistill.cli.composing.compose import composed
    from augdistill.cli.explained import help_text
    from augdistill.cli.words import as_overrides

    folders = [after for word, after in pairwise(words) if word in ("--config-dir", "-cd")]
    asked = [word for word in words if "=" not in word and not word.startswith("-") and word not in folders]
    overrides = as_overrides(command, [word for word in words if "=" in word and not word.startswith("-")])
    return help_text(command, as_config(composed(command, overrides, folders[-1] if folders else None)), asked)


def compose(command: str, words: list[str]) -> None:
    """Let Hydra compose what the words ask for and run the command with it, in a sweep once for each of its jobs."""
    from augdistill.cli.composing.flags import SHOWS
    from augdistill.cli.words import MULTIRUN, as_overrides

    written = as_overrides(command, words)
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from augdistill.cli.composing.compose import compose_and_run

    jobs = Jobs(words)
    full_error = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors instead of printing them and exiting
    sys.argv = [f"augdistill {command}", *written]
    try:
        if not {*words}.isdisjoint(MULTIRUN) and {*words}.isdisjoint(SHOWS):
            from augdistill.cli.composing.sweeps import validate_jobs

            validate_jobs(command, written)
        compose_and_run(command, written, task_of(command, jobs))
    except (HydraException, OmegaConfBaseException) as error:
        if full_error == "1":
            raise
        from augdistill.cli.refusals import one_line

        raise ConfigError(one_line(command, error, dict(zip(written, words, strict=True)))) from None
    except (ValueError, TypeError, AttributeError):  # Hydra's, of overrides that its own checks let through
        if jobs.begun:
            raise
        from augdistill.cli.refusals import uncomposable

        raise ConfigError(uncomposable(command, dict(zip(written, words, strict=True)))) from None
    except SystemExit:  # a signal stopped a sweep; or a flag such as --help is done
        if not jobs.failures:
            raise
    finally:
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
    if jobs.failures:
        raise jobs.failure()


class Jobs:
    """How the jobs of a command, in a sweep several, ended on this machine; `folder` is the sweep's own.

    `words` are as they were typed; `begun` says that Hydra has composed a config. No dataclass: what those import,
    --help would wait for.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words, self.begun, self.done = list(words), False, 0
        self.failures: list[AugdistillError] = []
        self.folder: Path | None = None

    def failure(self) -> AugdistillError:
        """Return what the command ends with; if every job was refused, the sweep's folder is taken away again."""
        worst = max(self.failures, key=lambda failure: failure.exit_code)
        if not isinstance(worst, RequestError) or self.folder is None:
            return worst
        if self.done or any(not isinstance(failure, RequestError) for failure in self.failures):
            return WorkError(f"{worst}; {self.done} other jobs are done")
        (self.folder / "multirun.yaml").unlink(missing_ok=True)
        with suppress(OSError):  # they hold something else
            for folder in (self.folder, *self.folder.parents[: 2 if self.folder.parent.name == "multirun" else 0]):
                folder.rmdir()
        return worst


def task_of(command: str, jobs: Jobs) -> "Callable[[DictConfig], float | None]":
    """Return the function that Hydra calls with each composed config; what it needs is imported then.

    An error of ours goes to `jobs`, so that a sweep goes on and Hydra adds no lines of its own; where Hydra runs
    the job in another process, it is raised. A sweeper that searches is given what it asks for.
    """

    def task(composed: "DictConfig") -> float | None:
        jobs.begun = True
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from augdistill.cli import commands, objective

        run: Callable[[Config], object] = getattr(commands, command.replace("-", "_"))
        hydra_config = HydraConfig.get()
        is_here = "BasicLauncher" in hydra_config.launcher._target_
        sweeping = hydra_config.mode is RunMode.MULTIRUN
        searching = sweeping and "BasicSweeper" not in hydra_config.sweeper._target_
        jobs.folder = Path(hydra_config.sweep.dir) if sweeping else None
        made: object = None
        try:
            with as_work_error():
                if searching:
                    objective.check_can_search(command, as_config(composed))
                if command == "study":
                    typed = typed_as(command, jobs.words, hydra_config if sweeping else None)
                    commands.study(as_config(composed), typed)
                else:
                    made = run(as_config(composed))
                value = objective.objective(command, as_config(composed), made) if searching else None
        except AugdistillError as error:
            if sweeping:
                log.error("job %s: %s", hydra_config.job.num, error)
            if not is_here:
                raise
            jobs.failures.append(error)
            if sweeping and isinstance(error, StoppedError):
                raise SystemExit from None  # an Exception would not keep Hydra from the next job
            return objective.DIVERGED if searching else None
        jobs.done += 1
        return value

    return task


def typed_as(command: str, words: Sequence[str], job: "HydraConf | None" = None) -> str:
    """Return the command line that makes a job again: what was typed, or of a sweep's `job` what of that is its own."""
    import shlex

    own = list(words)
    if job is not None:
        sources = (source.path for source in job.runtime.config_sources if source.provider == "command-line")
        own = [*(part for path in sources for part in ("--config-dir", path)), *job.overrides.task]
    return shlex.join(["augdistill", command, *own])


def as_config(composed: "DictConfig") -> "Config":
    """Return a composed config as a plain dictionary."""
    from omegaconf import OmegaConf

    config = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}
