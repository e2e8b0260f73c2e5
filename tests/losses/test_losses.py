"""The table of student losses: an entry with its own parameters, and what cannot be."""

import pytest
import torch

from augdistill.base.errors import ConfigError
from augdistill.losses import build, dkd, kd
from by_hand import random_logits


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("dkd", {"beta": -1.0}, r"^distillation\.loss\.beta=-1\.0 is out of range"),
        ("dkd", {"reduction": "elementwise"}, r"^distillation\.loss\.reduction is not a config key"),
        ("kd", {"reduction": "mean"}, r"^distillation\.loss\.reduction=mean is unknown"),
        ("dkdd", {}, r"^distillation\.loss=dkdd is unknown \(did you mean dkd\?\)"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name: str, params: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build(name, **params)


def test_a_loss_is_built_with_its_own_parameters() -> None:
    student, teacher, targets = random_logits(8, 10), random_logits(8, 10, seed=1).softmax(1), torch.eye(8, 10)
    found = build("dkd", beta=2.0)(student, teacher, targets, 4.0)
    assert torch.equal(found, dkd.loss(student, teacher, targets, 4.0, beta=2.0))
    assert found != build("dkd")(student, teacher, targets, 4.0)
    assert torch.equal(build("kd")(student, teacher, targets, 4.0), kd.loss(student, teacher, targets, 4.0))
