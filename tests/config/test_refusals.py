"""Every key of every command's config times wrong values: accepted where its type is the value's, else one line.

What may be accepted is told by the value that a key has in the composed config, not by the schema: null where it is
null, a value of the same type, a whole number where there is a number.
"""

import math
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from augdistill.base.errors import ConfigError, RequestError
from augdistill.cli.main import dispatch
from augdistill.cli.words import as_overrides
from augdistill.config.checking import check_command
from augdistill.config.commands import COMMANDS
from composed import compose

BESIDE = ("dataset@study.", "teacher@study.", "study.aug=", "study.design.")  # right beside values of a study's file
TOGETHER = 16  # examples that are typed at once: composing takes most of the time
NULL, NAN, HUGE = None, math.nan, 10**400
WRONG = (NULL, "zzz", "", "1", -1, 1.5, NAN, math.inf, -math.inf, HUGE, True, [], [1], [[1]], {}, {"zzz": 1})
COMPOSED = [
    *((command, ()) for command in COMMANDS if command != "study"),
    ("train-teacher", ("dataset=image-folder", "aug=[mixup,flip-crop]", "teacher=alexnet")),
    ("distill", ("aug=cutmix", "aug@student_aug=cutout", "teacher=alexnet")),
    ("evaluate", ("dataset=digits",)),
    ("study", ("study=quickstart",)),
    ("study", ("study=paper-controls", "executor=slurm")),
    ("study", ("study=paper-stacked", "executor=ray")),
]
IN_FULL = COMPOSED[-2:]  # of which those before have nearly every key
# Keys with several types, or with more values than the composed one's type tells, and those beside it.
SEVERAL = {
    "primary": (list, type(None)),
    **dict.fromkeys(("milestones", "test_sets", "claims"), (list,)),
    **dict.fromkeys(("mean", "std"), (list, type(None))),
    **dict.fromkeys(("clip_norm", "stop_accuracy", "sd", "mem_gb", "label_weight"), (int, float, type(None))),
    **dict.fromkeys(("warmup_epochs", "watch_seconds", "temperature", "weight_decay"), (int, float)),
    **dict.fromkeys(("workers", "cpus", "minutes", "images"), (int, type(None))),
    "size": (int, float, type(None)),
    **dict.fromkeys(
        (
            "address",
            "partition",
            "target",
            "run",
            "predictions",
            "source",
            "a",
            "b",
            "test_set",
            "path",
            "base",
            "claims_file",
            "question",
            "name",
            "weights",
            "architecture",
        ),
        (str, type(None)),
    ),
    **dict.fromkeys(("aug", "student_aug"), (list, str, dict)),
    **dict.fromkeys(("paired", "verify"), (bool, type(None))),
    **dict.fromkeys(("bank", "cuda_graphs"), (int, str, bool)),
    **dict.fromkeys(("ops", "grids"), (dict, list, type(None))),
    **dict.fromkeys(("generators", "interactions", "plus", "minus"), (list, str, type(None))),
    "fraction": (str, int, type(None)),
    "studies": (str, list),
    "teacher": (str, dict, type(None)),
    "root": (str, type(None)),
}


def keys(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key, groups too."""
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from keys(value, (*above, key))


def at(values: Any, path: tuple[str, ...]) -> Any:
    return at(values[path[0]], path[1:]) if path else values


def put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {**values, path[0]: put(values[path[0]], path[1:], value) if path[1:] else value}


def may_be(path: tuple[str, ...], value: Any, given: Any) -> bool:
    """Say whether a value's type could be right where a config has `given`."""
    allowed = SEVERAL.get(path[-1], (type(given), int) if type(given) is float else (type(given),))
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return type(value) in allowed and is_finite


@pytest.mark.parametrize(
    ("command", "words"),
    [
        pytest.param(*one, id=" ".join([one[0], *one[1]]), marks=[pytest.mark.slow] if one in IN_FULL else [])
        for one in COMPOSED
    ],
)
def test_every_wrong_value_at_every_key_is_refused_in_one_line(command: str, words: tuple[str, ...]) -> None:
    config = compose(command, *words)
    assert check_command(command, config)
    count = refused = 0
    for path in keys(config):
        for value in WRONG:
            count += 1
            try:
                check_command(command, put(config, path, value))
            except ConfigError as error:
                refused += 1
                line = str(error)
                names = [".".join(path[:length]) for length in (len(path), len(path) - 1) if length]
                assert any(name in line for name in names), (path, value, line)
                assert re.search(r"as in |known here are ", line), (path, value, line)
                assert "\n" not in line
                assert len(line) < 600, line
            else:
                assert may_be(path, value, at(config, path)), (path, value)
    assert refused > 0.7 * count


def examples() -> list[tuple[str, tuple[str, ...], str]]:
    """Return every example that a refusal of some value gives, with the first words of its command that led to it."""
    found = {}
    for command, words in COMPOSED:
        config = compose(command, *words)
        for path in keys(config):
            for value in (NULL, "zzz", -1, [[1]], NAN):
                try:
                    check_command(command, put(config, path, value))
                except ConfigError as error:
                    if example := re.search(r"as in (.*)$", str(error)):
                        found.setdefault((command, example[1]), words)
    return [(command, words, example) for (command, example), words in found.items()]


@pytest.mark.slow
def test_every_example_works_when_it_is_typed() -> None:
    """Examples of different keys are typed together, and those of them that do not go together one by one."""
    lines = examples()
    assert len(lines) > 200
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for command, words, example in lines:
        (word,) = shlex.split(example)
        if word != "seed=0" and "sbatch" not in word and not word.startswith(("name=", "study.name=")):
            if word.startswith(BESIDE):
                compose(command, *words, *as_overrides(command, [word]))
            else:
                alike.setdefault((command, tuple(words)), []).append(word)
    for (command, words), typed in alike.items():
        for first in range(0, len(typed), TOGETHER):
            type_examples(command, words, typed[first : first + TOGETHER])


def type_examples(command: str, words: Sequence[str], typed: list[str]) -> None:
    """Compose and check a command with words that its refusals advise; fail at one that does not work by itself."""
    alone = len(typed) == 1
    try:
        config = compose(command, *words, *as_overrides(command, typed))
        is_part = typed[0].split("=")[0].rpartition(".")[2] in ("base", "mean", "std")  # right beside what was refused
        if not (alone and is_part):
            check_command(command, config)
    except (HydraException, OmegaConfBaseException, ConfigError) as error:
        if alone:
            pytest.fail(f"{command} {typed[0]}: {error}")
        for half in (typed[: len(typed) // 2], typed[len(typed) // 2 :]):
            type_examples(command, words, half)


REFUSED = [
    (
        "train-teacher",
        "aug=null",
        "aug=null is unknown: choose one of augmix, baseline, cutmix, cutout, flip-crop, fmix, ",
    ),
    (
        "train-teacher",
        "teacher=18",
        "teacher=18 is unknown: choose one of airbench, alexnet, mobilenet-v2, resnet110, ",
    ),
    ("train-teacher", "aug.ops=5", "aug.ops=5 is not a group of keys: type aug=CHOICE"),
    ("train-teacher", "aug=[[mixup]]", "aug=[[mixup]] is not a group of keys: type aug=CHOICE"),
    (
        "train-teacher",
        "optim=null",
        "optim=null is unknown: choose one of airbench, alexnet, alexnet-small, crd, crd-light, ",
    ),
    ("distill", "optim@teacher_optim=5", "optim@teacher_optim=5 is unknown: choose one of airbench, "),
    ("study", "study.grids.distillation.temperature=[1,4]", "as in 'study.grids=[{distillation.temperature: [1,4]}]'"),
    ("train-teacher", "teacher.name=resnet9", "changes a name and leaves another's recipe: type teacher=resnet9"),
    ("study", "study.teacher.name=resnet9", "type teacher@study.teacher=resnet9"),
    ("study", "study.students.lenet.name=vgg8", "type student@study.students.lenet=vgg8"),
    ("study", "study.dataset=image-folder", "as in dataset@study.dataset=image-folder"),
    ("study", "study.aug=cutmix", "study.base=baseline is out of range: the strategy that others are judged against"),
    ("study", "study.aug=[[[cutmix]]]", "as in 'study.aug=[baseline,cutmix]'"),
    ("study", "study.aug=[[cutmix,cutmx]]", "study.aug=[[cutmix,cutmx]]: cutmx is unknown (did you mean cutmix?)"),
    ("study", "study.aug=[baseline,[]]", "as in 'study.aug=[baseline,cutmix]'"),
    (
        "study",
        "study.aug=[baseline,cutmix+cutmix]",
        "study.aug=cutmix+cutmix is out of range: each strategy of a stack",
    ),
    ("study", "study.aug=[baseline,flip-crop+cutmix,[flip-crop,cutmix]]", "is out of range: each name once"),
    ("study", "study.student_aug=[[matching,cutmix]]", "matching is unknown: choose one of baseline"),
    (
        "study",
        "study.students=[lenett]",
        "study.students.lenett=lenett is unknown (did you mean lenet?): choose one of ",
    ),
    ("study", "study.students=[lenet,lenet]", "study.students=[lenet,lenet] is out of range: each name once, as in"),
    ("study", "study.students=[]", "as in 'study.students=[lenet]'"),
    ("study", "study.students=[5]", "study.students.5=5 is unknown: choose one of airbench, alexnet, alexnet-small, "),
    ("study", "+study.stacks.mine.ops.cutmx.prob=1", "study.stacks.mine.ops.cutmx is unknown (did you mean cutmix?)"),
    ("study", "study.question=''", "study.question= is empty: null, or text, not empty, as in"),
    ("study", "study=5", "study=5 is unknown: choose one of cifar10-factors, "),
    ("study", "executor=null", "executor=null is unknown: choose one of local, ray, slurm, as in executor=local"),
    ("study", 'study.claims=["99"]', "study.claims=99 is unknown (did you mean 9?): choose one of 1, 2, 3"),
    ("study", "study.looks=0", "study.looks=0 is out of range: a whole number, 1 or more"),
    ("study", "study.base=mixup", "study.base=mixup is out of range: the strategy that others are judged against is"),
    ("study", "study.test_set=digits", "study.test_set=digits is unknown (did you mean digits-test?)"),
    ("study", "study.test_set=validation", "it needs held-out images, study.dataset.validation above 0"),
    ("study", "+study.margins={99: 1}", "study.margins=99 is unknown"),
    ("study", "study.dataset.test_sets=[digit]", "study.dataset.test_sets=digit is unknown (did you mean digits?)"),
    ("study", "study.dataset.validation=5000", "study.dataset.validation=5000 is out of range: fewer than its 1,437"),
    ("study", "study.teacher.width=0", "study.teacher.width=0 is out of range: a whole number, 1 to 1024"),
    ("study", "+study.ops.cutmix.prob=2", "study.ops.cutmix.prob=2.0 is out of range: a number from 0 to 1"),
    ("study", "study.grids=[{optim.lr: [-1]}]", "study.grids, the cell optim.lr=-1: optim.lr=-1 is out of range"),
    ("study", "study.grids=[{optim.lr.x: [1]}]", "study.grids, the cell optim.lr.x=1: there is no x below"),
    ("study", "study.grids=[{optim.lr_factor: [a]}]", "lr_factor=a is out of range: a number"),
    ("study", "study.grids=[{seed: [1]}]", "seed is unknown: choose one of dataset, aug"),
]


@pytest.mark.parametrize(("command", "word", "line"), REFUSED, ids=[word for _, word, _ in REFUSED])
def test_a_wrong_request_is_one_line_before_any_work(
    command: str, word: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = ["study=tiny", "dry_run=true"] if command == "study" else ["dataset=digits"]
    with pytest.raises(RequestError) as raised:
        dispatch(command, [*([] if word.startswith("study=") else plain), word])
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)
    assert {path.name for path in tmp_path.rglob("*") if path.is_dir()} <= {"outputs", "cache"} | packed(tmp_path)


def packed(folder: Path) -> set[str]:
    """Return the names of datasets' caches below a folder, which are no results."""
    return {path.name for path in folder.glob("outputs/cache/*")}
