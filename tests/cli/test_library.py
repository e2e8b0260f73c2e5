"""The claims library: every study plans on files in the publishers' format, and says paper, claim, command and time."""

from pathlib import Path

import pytest
import yaml

from augdistill.base.errors import ConfigError
from augdistill.claims.schema import load_claims
from augdistill.cli.library import listed, names
from augdistill.config import conf_dir
from augdistill.stages.refusals import validate_choices
from augdistill.study.plan import make_plan
from composed import study
from data_files import write_cifar10, write_cifar100

NAMED = [  # in the issue that asked for them
    *("capacity", "label-smoothing-temperature", "logit-standardisation", "loss-or-budget", "mixed-labels"),
    *("patience", "self-distillation", "student-only-mixup", "teacher-calibration"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    write_cifar10(folder)
    write_cifar100(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_every_study_plans_and_asks_claims_that_its_cells_answer(root: Path, name: str) -> None:
    words = [f"study=claims/{name}", f"study.dataset.root={root}", "study.dataset.verify=false"]
    plan = make_plan(study(root / "outputs", *words))
    assert plan.name == name
    validate_choices(plan.study, plan.choices)
    students = {tuple(stage.arm.values()) for stage in plan.stages if stage.kind == "student"}
    assert len({stage.arm["block"] for stage in plan.stages if stage.kind == "teacher"}) == plan.study.blocks >= 3
    assert students
    assert plan.claims is not None
    assert {*map(str, plan.study.claims)} == {str(claim["id"]) for claim in plan.claims["claims"]}


def test_each_has_a_full_size_and_one_for_a_cpu_on_cifar10() -> None:
    small = [name for name in names() if not name.endswith("-full")]
    assert [f"{name}-full" for name in small] == [name for name in names() if name.endswith("-full")]
    assert set(NAMED) <= set(small)
    for name in small:
        written = yaml.safe_load((conf_dir() / "study" / "claims" / f"{name}.yaml").read_text())
        assert (written["dataset"], written["teacher"]["name"]) == ("cifar10", "resnet9")


@pytest.mark.parametrize("name", names())
def test_a_study_opens_with_its_command_its_time_and_its_paper(name: str) -> None:
    text = (conf_dir() / "study" / "claims" / f"{name}.yaml").read_text()
    assert text.startswith(f"# augdistill study study=claims/{name} ")
    head = text.partition("\nname: ")[0]
    assert "core-hour" in head or "not measured" in head
    assert name.endswith("-full") or "arXiv" in head or "OpenReview" in head or "(Jin et al. 2023, CVPR)" in head
    assert all(claim.paper for claim in load_claims(conf_dir() / yaml.safe_load(text)["claims_file"]).claims)


def test_the_list_says_what_is_judged() -> None:
    text = listed(None)
    for name in names():
        assert f"augdistill study study=claims/{name}\n" in text
    assert "  at-20: at T = 20 students of label-smoothing teachers are less accurate (difference of accuracy, " in text
    assert "margin 0.5 pt, primary; Chandrasegaran et al. 2022)" in text
    assert "74.92 -> 75.68" in listed("patience")
    assert "74.92 -> 75.68" not in text
    with pytest.raises(ConfigError, match="did you mean patience"):
        listed("patence")
