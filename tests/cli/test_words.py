"""What is typed reaches the config as it was typed: text stays text, whatever it looks like."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from augdistill.base.errors import ConfigError, RequestError
from augdistill.cli.composing import compose
from augdistill.cli.main import COMPOSING, as_config
from augdistill.cli.words import (
    EXPONENT,
    NULL_TEXT,
    as_override,
    as_overrides,
    kind_of,
    open_map,
    quoted,
    unquoted,
    written_out,
)
from augdistill.config import conf_dir

TEXTS = [  # what YAML, a shell or Hydra's grammar would make something else of
    "2024_11_29",
    "1e3",
    "22505397",
    "22e43682",
    "inf",
    "nan",
    "0x10",
    "007",
    "-1",
    "true",
    "No",
    "1:30",
    "",
    "a b",
    " a",
    "a=b",
    "a'b",
    'a"b',
    "'",
    'it\'s "so"',
    "[a]",
    "{a: 1}",
    "a,b",
    "(a)",
    "grün",
    "日本",
    "a\\",
    "\\'",
    "a\\\\",
    "a:b",
    "a#b",
    "$HOME",
    "a\nb",
    "100%",
    "range(1,3)",
    "@a",
    "?",
    "*",
    "x'",
]
KEYS = {  # of each command, what holds text
    "train-teacher": ("outputs", "dataset.root", "optim.schedule", "runtime.checkpoint_every"),
    "distill": ("outputs", "dataset.root", "distillation.teacher", "teacher_optim.select"),
    "evaluate": ("outputs", "dataset.root", "run", "predictions", "normalisation"),
    "evaluate-attack": ("outputs", "dataset.root", "run", "source"),
    "import-teacher": ("outputs", "dataset.root", "name", "weights", "architecture", "predictions"),
    "study": (
        "outputs",
        "study.name",
        "study.dataset.root",
        "study.test_set",
        "study.distillation.teacher",
        "study.base",
    ),
}
NUMBERS = {  # what is null in conf/ and stands for a number, of which NULL_TEXT is the rest
    "mean", "std", "size",
    "optim.clip_norm", "optim.stop_accuracy", "distillation.sd", "dataset.mean", "dataset.std", "executor.workers",
    *(f"executor.{kind}.{key}" for kind in ("teacher", "student") for key in ("cpus", "mem_gb")),
    "dataset.name", "dataset.verify", "dataset.root", "test_set", "study.test_set",  # decided by other files
    "study.design.fraction", "study.design.interactions", "study.design.response.plus", "study.design.response.minus",
    "distillation.label_weight",
    "study.primary",  # a list, whose numbers count as the names of claims that they are
}  # fmt: skip


def composed(command: str, *words: str) -> dict[str, Any]:
    """Return the config that these words give, in a sweep the last job's."""
    return as_config(compose.composed(command, as_overrides(command, list(words)), None))


def at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


@pytest.mark.parametrize("text", TEXTS)
def test_quoted_text_is_read_by_hydras_grammar_as_it_was(text: str) -> None:
    read = OverridesParser.create().parse_override(f"key={quoted(text)}").value()
    assert read == text == unquoted(quoted(text))


def test_a_map_in_a_list_of_names_is_one():
    typed = "study.attacks=[{name: pgd, images: 60}, fgsm]"
    assert as_overrides("study", [typed]) == ["study.attacks=[{name: pgd, images: 60},'fgsm']"]


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=[] if name == "study" else [pytest.mark.slow]) for name in COMPOSING]
)
def test_text_keys_hold_what_was_typed(command: str) -> None:
    """Each text stands for one of the keys, and as many at once as there are keys: composing takes most of the time."""
    keys, texts = KEYS[command], [text for text in TEXTS if text != "\\'"]
    for first in range(0, len(texts), len(keys)):
        typed = dict(zip(keys, texts[first : first + len(keys)], strict=False))
        config = composed(command, *(f"{key}={text}" for key, text in typed.items()))
        assert {key: at(config, key) for key in typed} == typed


def test_every_text_key_is_known_by_the_files_of_conf() -> None:
    """Strings, and lists of them, in every file; a new null says in one of two lists what it stands for."""
    undecided = set()
    for path in conf_dir().rglob("*.yaml"):
        folder = path.relative_to(conf_dir()).parts[0] if path.parent != conf_dir() else ""
        if folder == "claims":  # which are no configs
            continue
        for key, value in leaves(yaml.safe_load(path.read_text(encoding="utf-8"))):
            dotted = ".".join(filter(None, (folder, key)))
            command = "study" if folder == "study" or path.stem == "study" else "train-teacher"
            if value is None and not any(f".{dotted}".endswith(f".{name}") for name in NULL_TEXT | NUMBERS):
                undecided.add(dotted)
            is_text = isinstance(value, str) and not value.startswith("${") and not EXPONENT.fullmatch(value)
            if is_text and folder and dotted != "executor.bank":
                assert kind_of(command, dotted) in ("text", "null or text"), dotted
    assert undecided == set()


def leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        items = [(key, value) for key, value in node.items() if key not in ("defaults", "hydra")]
        return [leaf for key, value in items for leaf in leaves(value, f"{prefix}.{key}" if prefix else str(key))]
    return [(prefix, node)]


@pytest.mark.parametrize(
    ("command", "key", "kind"),
    [
        ("train-teacher", "seed", "other"),
        ("distill", "teacher_seed", "other"),
        ("train-teacher", "optim.weight_decay", "other"),
        ("study", "study.teacher.optim.weight_decay", "other"),
        ("study", "executor.bank", "other"),
        ("study", "study.margins.1", "other"),
        ("study", "study.grids", "other"),
        ("study", "study.claims", "texts"),
        ("study", "study.aug", "texts"),
        ("train-teacher", "dataset.test_sets", "texts"),
        ("train-teacher", "aug", "texts"),
        ("distill", "aug@student_aug", "texts"),
        ("evaluate", "run", "null or text"),
        ("study", "study.dataset.path", "null or text"),
        ("study", "executor.address", "null or text"),
        ("study", "executor.student.partition", "null or text"),
        ("study", "executor.teacher.sbatch.account", "option"),
    ],
)
def test_what_a_key_holds(command: str, key: str, kind: str) -> None:
    assert kind_of(command, key) == kind


def test_numbers_truth_values_and_nulls_stay_what_they_are() -> None:
    config = composed("train-teacher", "optim.lr=1e-3", "seed=3", "dataset.verify=false", "optim.milestones=[1,2]")
    assert (config["optim"]["lr"], config["seed"], config["dataset"]["verify"]) == (1e-3, 3, False)
    assert config["optim"]["milestones"] == [1, 2]
    assert composed("evaluate", "run=null")["run"] is None
    assert composed("study", "executor.bank=4")["executor"]["bank"] == 4
    assert composed("study", "study.claims=[1, 7a]")["study"]["claims"] == ["1", "7a"]
    assert composed("train-teacher", "outputs=x-${seed}", "seed=7")["outputs"] == "x-7"


def test_quotes_are_taken_off_and_the_home_folder_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/~me")
    typed = ("~/x y", "'~/x y'", '"~/x y"', "'a, b'", "./~/x", "a~", "~nobody-of-this-name/x")
    read = [composed("train-teacher", f"outputs={text}")["outputs"] for text in typed]
    assert read == [*["/home/~me/x y"] * 3, "a, b", "./~/x", "a~", "~nobody-of-this-name/x"]


@pytest.mark.parametrize(
    ("command", "word", "values"),
    [
        ("train-teacher", "outputs=1e3,2024_11_29", ["1e3", "2024_11_29"]),
        ("train-teacher", "outputs='a,b',it's, c d", ["a,b", "it's", "c d"]),
        ("evaluate", "run=null,22e43682", [None, "22e43682"]),
        ("train-teacher", "outputs=choice(a,b)", ["a", "b"]),
        ("train-teacher", "dataset.test_sets=[1e3,b],[]", [["1e3", "b"], []]),
        ("study", "study.margins.7a=0.5,1", [{"7a": 0.5}, {"7a": 1}]),
        ("train-teacher", "optim.lr=0.1,1e-3", [0.1, 1e-3]),
    ],
)
def test_in_a_sweep_commas_separate_values_and_each_is_text(command: str, word: str, values: list[Any]) -> None:
    words = [written for written in as_overrides(command, ["-m", word]) if written != "-m"]
    (jobs,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(words), max_batch_size=None)
    key = words[0].lstrip("+").partition("=")[0]
    assert [at(as_config(compose.composed(command, job, None)), key) for job in jobs] == values


def test_maps_whose_keys_are_anybodys_take_any_key() -> None:
    opened = {key for key in ("study.ops", "study.margins", "executor.teacher.sbatch") if open_map("study", key) == key}
    assert opened == {"study.ops", "study.margins", "executor.teacher.sbatch"}
    assert open_map("train-teacher", "aug.ops") is None
    words = ("study.margins.7a=0.5", "study.margins.1=0.25", "study.ops.mixup.alpha=0.2", "executor=slurm")
    config = composed(
        "study", *words, "executor.teacher.sbatch.account=2024_11", "executor.teacher.sbatch.exclusive=true"
    )
    assert config["study"]["margins"] == {"7a": 0.5, "1": 0.25}
    assert config["study"]["ops"]["mixup"] == {"alpha": 0.2}
    assert config["executor"]["teacher"]["sbatch"] == {"account": "2024_11", "exclusive": True}


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("study.ops.mixpu.alpha=0.2", r"study\.ops\.mixpu is not a config key \(did you mean mixup\?\)"),
        ("study.ops.mixup.alhpa=0.2", r"study\.ops\.mixup\.alhpa is not a config key \(did you mean alpha\?\)"),
    ],
)
def test_a_strategy_and_its_parameters_are_those_that_there_are(word: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        as_override("study", word, sweeping=False)


def test_flags_and_what_follows_them_are_left_alone_and_words_are_unicode() -> None:
    words = ["--config-dir", "outputs=a b", "--cfg", "job", "-m", "aug"]
    assert as_overrides("train-teacher", words) == words
    with pytest.raises(RequestError, match="not text in UTF-8"):
        as_overrides("train-teacher", ["outputs=\udcff"])
    assert (
        json.dumps(composed("train-teacher", "dataset=image-folder", f"dataset.path={Path('1e3')}")["dataset"]["path"])
        == '"1e3"'
    )


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["quickstart", "--dry-run"], ["study=quickstart", "dry_run=true"]),
        (["study.blocks=2", "mypkg/first"], ["study.blocks=2", "study=mypkg/first"]),
        (["--config-dir", "mine", "calibrated"], ["--config-dir", "mine", "study=calibrated"]),
        (["tiny", "elsewhere"], ["tiny", "elsewhere"]),  # refused by what reads them
    ],
)
def test_a_plain_word_of_study_is_its_name(words: list[str], meant: list[str]) -> None:
    assert written_out("study", words) == meant
    assert written_out("distill", words) == words


@pytest.mark.parametrize("word", ["aug=[]", "aug=[mixup,mixup]", "aug=mixup+mixup", "aug@student_aug=[cutout, cutout]"])
def test_a_stack_has_each_strategy_once(word: str) -> None:
    with pytest.raises(ConfigError, match=r"names no strategy|has (mixup|cutout) twice"):
        as_override("distill", word, sweeping=False)
    as_override("distill", "aug=mixup+cutout,cutout+mixup,mixup", sweeping=True)
