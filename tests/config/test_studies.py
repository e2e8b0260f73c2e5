"""A study's stacks of strategies, however they are written, and what of it must fit together."""

from typing import Any

import pytest

from augdistill.base.errors import ConfigError
from augdistill.config import parameters
from augdistill.config.checking import typed
from augdistill.config.studies import Study, StudyConfig, as_stacks
from composed import compose, replaced

STRONG = {"ops": {"cutmix": {"prob": 1.0}, "mixup": {}}}


def study(**changes: Any) -> Study:
    return typed(
        StudyConfig, replaced(compose("study", "study=tiny"), {f"study.{k}": v for k, v in changes.items()})
    ).study


@pytest.mark.parametrize(
    ("written", "stacks"),
    [
        ("cutmix", ["cutmix"]),
        (["mixup", ["flip-crop", "cutmix"]], ["mixup", "flip-crop+cutmix"]),
        ([["mixup"]], ["mixup"]),
        ([], []),
    ],
)
def test_names_and_lists_of_names_are_stacks(written: object, stacks: list[str]) -> None:
    assert as_stacks(written) == stacks


def test_a_stack_is_its_strategies_with_the_studys_own_parameters() -> None:
    found = study(
        aug=["baseline", "flip-crop+cutmix", "strong"], stacks={"strong": STRONG}, ops={"cutmix": {"alpha": 0.2}}
    )
    plain = dict(parameters("aug", "cutmix"))
    assert found.stack_of("baseline") == []
    assert found.stack_of("flip-crop+cutmix") == [
        ("flip-crop", dict(parameters("aug", "flip-crop"))),
        ("cutmix", {**plain, "alpha": 0.2}),
    ]
    assert found.stack_of("strong") == [("cutmix", {**plain, "prob": 1.0}), ("mixup", dict(parameters("aug", "mixup")))]
    assert study(aug=["baseline+mixup", "baseline"], base="baseline").aug == ("mixup", "baseline")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aug": ["baseline", "cutmx"]}, r"study\.aug=.*cutmx is unknown \(did you mean cutmix\?\)"),
        ({"aug": ["baseline", "mixup+mixup"]}, "each strategy of a stack once"),
        ({"aug": ["baseline", "mixup", "mixup"]}, "each name once"),
        ({"aug": ["mixup"]}, r"study\.base=baseline is out of range: the strategy that others are judged against"),
        (
            {"aug": ["baseline", "cutmix", "same"], "stacks": {"same": {"ops": {"cutmix": {}}}}},
            "cutmix and same are the same strategies with the same parameters",
        ),
        ({"student_aug": ["matchin"]}, r"did you mean matching\?"),
        ({"teacher.optim.stop_accuracy": 0.5}, r"study\.teacher\.optim\.stop_accuracy=0\.5 .* images to watch"),
        ({"students.lenet.optim.stop_accuracy": 0.5}, r"study\.students\.lenet\.optim\.stop_accuracy=0\.5"),
        ({"test_set": "validation"}, r"study\.test_set=validation is out of range: it needs held-out images"),
        ({"name": "../x"}, r"study\.name=\.\./x is out of range: letters, digits"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        study(**changes)
    assert "\n" not in str(raised.value)


def test_claims_may_be_numbers_and_students_may_follow_their_teachers() -> None:
    found = study(claims=[1, "2a"], primary=[1], student_aug="matching")
    assert (found.claims, found.primary, found.student_aug) == (("1", "2a"), ("1",), ("matching",))
