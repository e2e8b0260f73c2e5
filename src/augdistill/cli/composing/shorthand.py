"""What is written short in a config and on the command line, written out before Hydra composes it.

A study's file names what the study is made of, `teacher: resnet18`, `students: [lenet, alexnet]`, and changes what it
likes beside it, `teacher: {name: resnet18, width: 8}`. Hydra is given the list of defaults that this stands for, with
each model's recipe. A file that has a list of defaults, or says where it belongs (@package), is taken as it is.
A stack of strategies is a list of them, also where it is written with "+".
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augdistill.base.checks import one_of
from augdistill.base.errors import ConfigError
from augdistill.config.places import AS_TRAINED

AUGS = ("aug", "student_aug", "base")  # keys of a study that name strategies
STUDENTS = "study.students"
NO_FILES = ("baseline", "matching")  # which no file of one's own changes the meaning of
PLAIN_KEY = re.compile(r"[\w-]+", re.ASCII)


@dataclass(frozen=True)
class Words:
    """What the command line says of a study and must be known before it is composed: students, strategies by key."""

    students: tuple[str, ...] | None = None
    augs: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    """choices in place of the file's: {"dataset": "mnist"} for dataset@study.dataset=mnist, a student's by its key"""
    taken: tuple[str, ...] = ()
    """words that Hydra is not to apply"""


@dataclass(frozen=True)
class Choices:
    """What there is to choose from: names in a group's folders, a file's keys, which files came with --config-dir."""

    names: Callable[[str], Sequence[str]]
    keys: Callable[[str], Sequence[str]]
    is_own: Callable[[str], bool]

    def check(self, key: str, folder: str, name: str) -> str:
        """Return a name that there is in a folder; raises ConfigError for any other."""
        one_of(f"study.{key}", name, self.like(folder, name))
        return name

    def like(self, folder: str, name: str) -> list[str]:
        """Return the names that there are in a folder, for PLUGIN/NAME those of the plugin."""
        prefix = name[: name.rindex("/") + 1] if "/" in name else ""
        found = self.names(f"{folder}/{prefix}".rstrip("/"))
        return [f"{prefix}{known}" for known in found if known != AS_TRAINED]


def stacked(name: str) -> list[str]:
    """Return the strategies of a stack that is written with "+"; nothing for the name of one."""
    return name.split("+") if "+" in name and all(name.split("+")) else []


def as_students(key: str, value: Any) -> tuple[str, ...] | None:
    """Return the names in a list of students, or in one name; None for anything else. ConfigError for repeats."""
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else None
    if names is None or not all(isinstance(name, str) for name in names):
        return None
    if len(set(names)) < len(names):
        raise ConfigError(f"{key}=[{','.join(names)}] is out of range: each name once, as in {key}=[{names[0]}]")
    return names


def write_out(name: str, file: Mapping[str, Any], words: Words, choices: Choices) -> tuple[list[Any], dict[str, Any]]:
    """Return the list of defaults that the study in a file NAME.yaml stands for, and its values.

    Raises ConfigError for a choice that there is not.
    """
    values = {"name": name, **rechosen(file, words, choices)}
    defaults: list[Any] = []
    for key in ("dataset", "distillation"):
        value = values.get(key, "default" if key == "distillation" else None)
        if (chosen := choice(value, "default" if key == "distillation" else None)) is not None:
            defaults.append({f"/{key}@{key}": choices.check(key, key, chosen)})
        if chosen is not None and key in values:
            values[key] = changes(value)
    if (teacher := values.get("teacher")) is not None:
        values["teacher"] = model("teacher", "teacher", teacher, None, defaults, choices)
    if (students := chosen_students(values.get("students"), words)) is not None:
        values["students"] = {
            key: model(f"students.{key}", "student", student, key, defaults, choices)
            for key, student in students.items()
        }
    for part in dict.fromkeys(strategies({key: values.get(key) for key in AUGS} | dict(words.augs))):
        if PLAIN_KEY.fullmatch(part) and part not in NO_FILES and choices.is_own(f"aug/{part}"):
            defaults.append({f"/aug@stacks.{part}": part})
    return [*defaults, "_self_"], values


def rechosen(file: Mapping[str, Any], words: Words, choices: Choices) -> dict[str, Any]:
    """Return a file's values with the data set, the teacher and the students that are chosen on the command line.

    The report is then about the data set's own test set.
    """
    values = dict(file)
    for key, name in words.chosen.items():
        place, _, student = key.partition(".")
        students = values.get(place) if student else None
        if isinstance(students, Mapping) and student in students and name != choice(students[student] or {}, student):
            values[place] = {**students, student: replaced(students[student], key, "student", name, choices)}
        elif not student and key in file and name != choice(file[key]):
            values[key] = replaced(file[key], key, key, name, choices)
            if key == "dataset":
                values["test_set"] = None  # that of the data set, whichever it is
    return values


def replaced(value: Any, key: str, folder: str, name: str, choices: Choices) -> dict[str, Any]:
    """Return another choice with what a file changes of its own, where the other has such a key.

    Epochs do stay, the size of digits does not.
    """
    known = {*choices.keys(f"{folder}/{choices.check(key, folder, name)}"), "optim"}
    return {"name": name, **{own: new for own, new in changes(value).items() if own in known}}


def choice(value: Any, default: str | None = None) -> str | None:
    """Return the name that a value chooses: itself, or that among its keys."""
    found = value.get("name", default) if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else None


def changes(value: Any) -> dict[str, Any]:
    """Return what is changed of a choice: its keys beside the name, which is the default's."""
    return {key: value[key] for key in value if key != "name"} if isinstance(value, Mapping) else {}


def chosen_students(students: Any, words: Words) -> dict[str, Any] | None:
    """Return a study's students by their key, what its file says of each of them; None where it is not understood."""
    if (named := as_students(STUDENTS, students)) is not None:
        students = {name.replace("/", "-"): {"name": name} for name in named}
    if words.students is not None:
        own = students if isinstance(students, Mapping) else {}
        keys = {name.replace("/", "-"): name for name in words.students}  # a plugin's model is PLUGIN/NAME
        return {key: {"name": name, **own.get(key, {})} for key, name in keys.items()}
    return dict(students) if isinstance(students, Mapping) else None


def model(key: str, folder: str, value: Any, default: str | None, defaults: list[Any], choices: Choices) -> Any:
    """Add a model and its recipe to the defaults; return what its file changes of them."""
    if (name := choice({} if value is None else value, default)) is None:
        return value
    values = changes(value)
    if not all(map(PLAIN_KEY.fullmatch, key.split("."))):
        raise ConfigError(f"study.{key} is no key: letters, digits, _ and - are allowed, as in study.students.lenet")
    defaults.append({f"/{folder}@{key}": choices.check(key, folder, name)})
    if isinstance(recipe := values.get("optim"), str):
        del values["optim"]
    else:
        recipe = name if name in choices.like("optim", name) else None
    if recipe is not None:
        defaults.append({f"/optim@{key}.optim": choices.check(f"{key}.optim", "optim", recipe)})
    return values


def strategies(value: Any) -> Iterator[str]:
    """Yield the name of every strategy in names, stacks and lists of them."""
    if isinstance(value, str):
        yield from value.split("+")
    elif isinstance(value, list):
        for item in value:
            yield from strategies(item)
    elif isinstance(value, Mapping):
        yield from strategies(list(value.values()))


def within(folder: Path, file: str) -> str:
    """Return the path of a file that a config in a folder names; raises ConfigError for one outside the folder."""
    path = folder / file
    if "${" in file or not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"study.claims_file={file} is refused: a config names a file of its own folder, {folder}")
    return str(path)


def with_places(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a study's values, or a whole config that holds them, with the path of its file of claims written out."""
    if isinstance(values.get("study"), dict):
        values = {**values, "study": with_places(values["study"], folder)}
    file = values.get("claims_file")
    return {**values, "claims_file": within(folder, file)} if isinstance(file, str) and file else values
