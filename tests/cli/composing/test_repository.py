"""Configs by name: from their own folders, an end of them, what is short written out; what words say of a study."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from augdistill.base.errors import ConfigError
from augdistill.cli.composing import repository
from augdistill.cli.composing.compose import composed
from augdistill.cli.composing.repository import check_students, words_about
from augdistill.cli.composing.shorthand import Words


def said(command: str | None, *words: str) -> Words:
    return words_about(command, OverridesParser.create().parse_overrides(list(words)))


def test_students_and_strategies_are_taken_from_the_words_of_a_study_alone() -> None:
    words = said("study", "study.students=[lenet,alexnet]", "study.aug=[baseline,cutmix]", "study.blocks=2")
    assert (words.students and list(words.students), words.augs) == (
        ["lenet", "alexnet"],
        {"aug": ["baseline", "cutmix"]},
    )
    assert words.taken == ("study.students=[lenet,alexnet]",)  # Hydra would put a list in place of a group
    assert said("study", "dataset@study.dataset=mnist", "optim@study.teacher.optim=lenet").chosen == {
        "dataset": "mnist"
    }
    nothing = Words()
    assert said("distill", "study.students=[lenet]") == said(None) == nothing
    assert said("study", "+study.students=[lenet]", "study.aug=choice(a,b)") == nothing


def test_students_that_a_file_does_not_leave_to_the_asker_are_refused() -> None:
    config = OmegaConf.create({"study": {"students": {"lenet": {}, "alexnet": {}}}})
    check_students(config, said("study"))
    check_students(config, said("study", "study.students=[alexnet,lenet]"))
    with pytest.raises(ConfigError, match=r"study\.students=\[lenet\]: the study's file lists students among its"):
        check_students(config, said("study", "study.students=[lenet]"))


def test_a_stack_of_strategies_is_a_config_though_no_file_is_called_so() -> None:
    stack = composed("train-teacher", ["aug=flip-crop+cutmix"], None).aug
    apart = [composed("train-teacher", [f"aug={name}"], None).aug for name in ("flip-crop", "cutmix")]
    assert list(stack.ops) == ["flip-crop", "cutmix"]
    assert dict(stack.ops) == {**apart[0].ops, **apart[1].ops}


def test_a_name_leads_to_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("ops: {}\n")
    (tmp_path / "conf" / "aug").mkdir(parents=True)
    (tmp_path / "conf" / "aug" / "mine.yaml").write_text("defaults: [../../outside]\n")
    with pytest.raises(ConfigError, match=r"is refused: the name of a config leads to its own folder, without \.\."):
        composed("train-teacher", ["aug=mine"], str(tmp_path / "conf"))


def test_one_composition_loads_so_many_configs_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MAX_LOADS", 3)
    with pytest.raises(ConfigError, match="the defaults of configs name each other without end"):
        composed("train-teacher", [], None)
