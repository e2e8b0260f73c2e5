"""Ways to bring code, an environment or a secret into a study by its configs: each is words, files and where it goes.

`code/sitecustomize.py` and `code/evil.py` leave the marker when any interpreter imports them; LEAVE is a program that
does. Nothing of `theirs` may reach them.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hostile.corpus import MARKER

GLOBAL = "# @package _global_\n"
LEAVE = f"touch {MARKER}"
ENVIRONMENT = "{PYTHONPATH: code}"
OURS = ("--config-dir", "theirs")


@dataclass(frozen=True)
class Attack:
    """Words after `augdistill`, files below the current folder, what else is laid out, and what the refusal names."""

    words: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    names: str = ""
    prepare: Callable[[Path], None] = lambda folder: None


def teacher(aug: str, names: str = "hydra", *, flags: tuple[str, ...] = OURS, words: tuple[str, ...] = ()) -> Attack:
    """A strategy's file that came from elsewhere, chosen by its name."""
    return Attack(("train-teacher", *flags, "aug=theirs", *words), {"theirs/aug/theirs.yaml": aug}, names)


def hydra(yaml: str, names: str = "hydra") -> Attack:
    """A file that sets keys of Hydra's node from the top of the config."""
    return teacher(f"{GLOBAL}hydra:\n  {yaml}\n", names)


def typed(*words: str, names: str = "") -> Attack:
    """Nothing but words."""
    return Attack(("train-teacher", *words), {}, names)


def linked(inside: str, target: str) -> Callable[[Path], None]:
    """Lay a link in the folder of configs."""

    def lay(folder: Path) -> None:
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside).symlink_to(target)

    return lay


def fifo(folder: Path) -> None:
    """Lay a pipe that nobody writes to where a config should be."""
    (folder / "theirs/aug").mkdir(parents=True)
    os.mkfifo(folder / "theirs/aug/theirs.yaml")


ENV_SET = f"{GLOBAL}hydra: {{job: {{env_set: {ENVIRONMENT}}}}}\n"
OUTSIDE = {"elsewhere/aug/x.yaml": ENV_SET, "theirs/aug/plain.yaml": "ops: {}\n"}
FROM_OUTSIDE = Attack(("train-teacher", *OURS, "aug=theirs"), OUTSIDE, "outside")

ATTACKS = {
    # the five of the audit
    "-cd=DIR": teacher(ENV_SET, "hydra.job.env_set", flags=("-cd=theirs",)),
    "a blank before the header": teacher(f" # @package hydra.job.env_set\nPYTHONPATH: {'code'}\n", "hydra.job.env_set"),
    "a link to a file outside": Attack(
        FROM_OUTSIDE.words, OUTSIDE, "outside", linked("theirs/aug/theirs.yaml", "../../elsewhere/aug/x.yaml")
    ),
    "a link to a folder outside": Attack(
        ("train-teacher", *OURS, "+more=x"), OUTSIDE, "outside", linked("theirs/more", "../elsewhere/aug")
    ),
    "defaults that climb": Attack(
        ("train-teacher", *OURS, "aug=theirs"),
        {"theirs/aug/theirs.yaml": "defaults:\n  - /aug/../../elsewhere/aug/x\n", **OUTSIDE},
        "elsewhere",
    ),
    # the folder, however it is typed
    "-cd DIR": teacher(ENV_SET, "hydra.job.env_set", flags=("-cd", "theirs")),
    "--config-dir=DIR": teacher(ENV_SET, "hydra.job.env_set", flags=("--config-dir=theirs",)),
    "-cdDIR": teacher(ENV_SET, "-cdtheirs", flags=("-cdtheirs",)),
    "an abbreviated flag": teacher(ENV_SET, "--config-di", flags=("--config-di", "theirs")),
    "an abbreviated flag with =": teacher(ENV_SET, "--config-d", flags=("--config-d=theirs",)),
    "a flag given twice": Attack(
        ("train-teacher", "--config-dir", "good", *OURS, "aug=theirs"),
        {"theirs/aug/theirs.yaml": ENV_SET, "good/aug/theirs.yaml": "ops: {}\n"},
        "hydra.job.env_set",
    ),
    "--config-name": Attack(
        ("train-teacher", *OURS, "--config-name", "x"), {"theirs/x.yaml": ENV_SET}, "--config-name"
    ),
    "--config-path": Attack(("train-teacher", "--config-path", "theirs"), {}, "--config-path"),
    "-cp=DIR": Attack(("train-teacher", "-cp=theirs"), {}, "--config-path"),
    "a saved call": Attack(("train-teacher", "--experimental-rerun", "x.pickle"), {}, "--experimental-rerun"),
    "a search path typed": typed("hydra.searchpath=[theirs]", names="hydra.searchpath"),
    "a search path in a file": hydra("searchpath: [elsewhere]", "hydra.searchpath"),
    "a program's name climbs": Attack(("train-teacher", "aug=../../elsewhere/aug/x"), OUTSIDE, ".."),
    "an absolute name": Attack(("train-teacher", *OURS, "aug=/etc/x"), OUTSIDE, "is unknown"),
    # Hydra's node
    "callbacks": hydra(f"callbacks: {{x: {{_target_: os.system, command: {LEAVE}}}}}", "hydra.callbacks"),
    "a factory of logging": hydra(
        f"job_logging: {{handlers: {{x: {{(): os.system, command: {LEAVE}}}}}}}", "hydra.job_logging"
    ),
    "Hydra's own logging": hydra(
        f"hydra_logging: {{handlers: {{x: {{(): os.system, command: {LEAVE}}}}}}}", "hydra.hydra_logging"
    ),
    "a log file": hydra(
        f"job_logging: {{handlers: {{x: {{class: logging.FileHandler, filename: {MARKER}}}}}}}", "hydra.job_logging"
    ),
    "an environment copied": hydra("job: {env_copy: [PATH]}", "hydra.job.env_"),
    "an environment copied that is none": hydra("job: {env_copy: [NO_SUCH]}", "NO_SUCH"),
    "another launcher": hydra("launcher: {_target_: evil.run}", "hydra.launcher"),
    "another sweeper": hydra("sweeper: {_target_: evil.run}", "hydra.sweeper"),
    "parameters of a sweeper": hydra("sweeper: {params: {seed: '1,2'}}", "hydra.sweeper.params"),
    "words": hydra("overrides: {task: [+hydra.job.env_set.PYTHONPATH=code]}", "hydra.overrides"),
    "words for Hydra": hydra("overrides: {hydra: [hydra.job.chdir=true]}", "hydra.overrides"),
    "a folder for outputs": hydra(f"run: {{dir: {MARKER}}}", "hydra.run.dir"),
    "a folder for sweeps": hydra(f"sweep: {{dir: {MARKER}}}", "hydra.sweep.dir"),
    "a folder for the config": hydra(f"output_subdir: {MARKER}", "hydra.output_subdir"),
    "another folder to work in": hydra("job: {chdir: true}", "hydra.job.chdir"),
    "help": hydra("help: {template: '$CONFIG'}", "hydra.help.template"),
    "nothing for Hydra": teacher(f"{GLOBAL}hydra: null\n"),
    "nothing for a job": hydra("job: null", "theirs"),
    "a node for Hydra": teacher(f"{GLOBAL}hydra: ${{optim}}\n", "optim"),
    "Hydra's package": teacher("# @package hydra.job.env_set\nPYTHONPATH: code\n", "hydra.job.env_set"),
    "a package in the defaults": Attack(
        ("train-teacher", *OURS, "aug=theirs"),
        {
            "theirs/aug/theirs.yaml": "defaults:\n  - /aug/env@_global_.hydra.job.env_set\n",
            "theirs/aug/env.yaml": "PYTHONPATH: code\n",
        },
        "hydra.job.env_set",
    ),
    "a relative package": Attack(
        ("train-teacher", *OURS, "aug=theirs"),
        {
            "theirs/aug/theirs.yaml": "# @package _global_\ndefaults:\n  - env@hydra.job.env_set\n",
            "theirs/aug/env.yaml": "PYTHONPATH: code\n",
        },
        "hydra.job.env_set",
    ),
    "an override of Hydra in the defaults": Attack(
        ("train-teacher", *OURS, "aug=theirs"),
        {"theirs/aug/theirs.yaml": "defaults:\n  - override /hydra/job_logging: none\n"},
        "hydra",
    ),
    "a group of Hydra's own": Attack(
        ("train-teacher", "-m", *OURS, "hydra/launcher=theirs"),
        {"theirs/hydra/launcher/theirs.yaml": "_target_: evil.run\n"},
        "launcher",
    ),
    "a plugin's group": Attack(
        ("train-teacher", "-m", *OURS, "hydra/launcher=joblib"),
        {"theirs/hydra/launcher/joblib.yaml": "n_jobs: 7\n"},
        "hydra.launcher",
    ),
    # words for Hydra
    "an environment typed": typed("+hydra.job.env_set.PYTHONPATH=code", names="hydra.job.env_set"),
    "a callback typed": typed(f"+hydra.callbacks.x={{_target_: os.system, command: {LEAVE}}}", names="hydra.callbacks"),
    "a whole node typed": typed("++hydra={job: {chdir: true}}", names="hydra="),
    "a launcher's class typed": typed("-m", "hydra.launcher._target_=evil.run", names="_target_"),
    "an object for a launcher": typed("-m", "+hydra.launcher.x={_target_: evil.run}", names="_target_"),
    "an object in a list": typed("-m", "+hydra.launcher.x=[{a: {_target_: evil.run}}]", names="_target_"),
    "a launcher taken away": typed("-m", "~hydra.launcher", names="hydra.launcher"),
    "a package of Hydra's typed": typed("+aug@hydra.job.env_set=cutmix", names="hydra.job.env_set"),
    "a package from the top typed": typed("+aug@_global_.hydra.job.env_set=cutmix", names="hydra"),
    "a sweeper's words": typed("-m", "hydra.sweeper.params={hydra.job.env_set.X: y}", names="env_set"),
    "another logging typed": typed("hydra/job_logging=none", names="hydra/job_logging"),
    # resolvers
    "a variable in a file": teacher("ops: {}\nx: ${oc.env:SECRET}\n", "resolver"),
    "a variable in a key": teacher("ops: {}\n'${oc.env:SECRET}': 1\n", "resolver"),
    "a variable, escaped": teacher('ops: {}\nx: "\\x24{oc.env:SECRET}"\n', "resolver"),
    "a variable, for later": teacher("ops: {}\nx: \\${oc.env:SECRET}\n", "resolver"),
    "a variable within": teacher("ops: {}\nx: a-${a.${oc.env:SECRET}}\n", "resolver"),
    "a resolver named by a key": teacher("ops: {}\nr: oc.env\nx: ${${.r}:SECRET}\n", "resolver"),
    "a variable in the defaults": teacher("defaults:\n  - /aug: ${oc.env:SECRET}\nops: {}\n", "resolver"),
    "our own variable": teacher("ops: {}\nx: ${oc.env:AUGDISTILL_DATA,data}\n", "resolver"),
    "text decoded": teacher("ops: {}\nx: ${oc.decode:'1'}\n", "resolver"),
    "a variable typed": typed("dataset.root=${oc.env:SECRET}", names="resolver"),
    "a variable typed, quoted": typed("dataset.root='${oc.env:SECRET}'", names="resolver"),
    "a variable typed, escaped": typed("dataset.root=$\\{oc.env\\:SECRET\\}", names="resolver"),
    "a variable typed as a choice": typed("optim=${oc.env:SECRET}", names="resolver"),
    "a variable in a sweep": typed("-m", "dataset.root=a,${oc.env:SECRET}", names="resolver"),
    "the time": typed("outputs=${now:%Y}", names="resolver"),
    "Hydra's resolver": typed("outputs=${hydra:runtime.cwd}", names="resolver"),
    # what starts programs
    "an executor's options": Attack(
        ("study", *OURS, "study=theirs", "dry_run=true"),
        {"theirs/study/theirs.yaml": f"{GLOBAL}executor: {{bank: 1, sbatch: {{export: 'PYTHONPATH=code'}}}}\n"},
        "executor",
    ),
    "another executor": Attack(
        ("study", *OURS, "study=theirs", "dry_run=true"),
        {"theirs/study/theirs.yaml": "defaults:\n  - override /executor: ray\n"},
        "executor",
    ),
    "an executor of theirs": Attack(
        ("study", *OURS, "executor=theirs", "dry_run=true"),
        {"theirs/executor/theirs.yaml": "name: ray\naddress: 203.0.113.1:6379\nretries: 1\nbank: 1\ngpus: {}\n"},
        "executor",
    ),
    # values and files
    "a target": teacher("ops: {_target_: os.system, command: x}\n", "_target_"),
    "a target above": teacher("_target_: os.system\nops: {}\n", "_target_"),
    "a target for the teacher": teacher(f"{GLOBAL}teacher: {{_target_: os.system}}\naug: {{ops: {{}}}}\n", "_target_"),
    "a key of its own": teacher(f"{GLOBAL}command: {LEAVE}\naug: {{ops: {{}}}}\n", "command"),
    "a call in YAML": teacher(f"ops: !!python/object/apply:os.system ['{LEAVE}']\n", "tag"),
    "a name in YAML": teacher("ops: !!python/name:os.system\n", "tag"),
    "a path in YAML": teacher("ops: !!python/object/apply:pathlib.Path [/etc]\n", "tag"),
    "a pipe": Attack(("train-teacher", *OURS, "aug=theirs"), {}, "aug=theirs", fifo),
    "a device": Attack(
        ("train-teacher", *OURS, "aug=theirs"), {}, "aug=theirs", linked("theirs/aug/theirs.yaml", "/dev/zero")
    ),
    "a link to a secret": Attack(
        ("train-teacher", *OURS, "aug=theirs"), {}, "outside", linked("theirs/aug/theirs.yaml", "/etc/hostname")
    ),
    "a file that is too large": teacher("ops: {}  #" + "x" * 2**20, "bytes"),
    "defaults without end": teacher("defaults:\n  - theirs\nops: {}\n", "theirs"),
}
