"""Label smoothing against torch's cross-entropy, and what it leaves alone."""

import pytest
import torch
from torch.nn import functional

from augdistill.augment.label_smoothing import apply, draw
from augdistill.augment.shared import Samples
from augdistill.base.errors import ConfigError
from augdistill.losses.shared import soft_cross_entropy
from augmented import BLACK, epoch_of


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_the_cross_entropy_is_that_of_torch(share: float) -> None:
    images, logits = epoch_of(6)
    labels = torch.tensor([0, 6, 3, 3, 1, 2])
    teacher = logits.softmax(1)
    found = apply(Samples(images, functional.one_hot(labels, 7).double(), teacher, BLACK), {}, share=share)
    expected = functional.cross_entropy(logits, labels, label_smoothing=share)
    torch.testing.assert_close(soft_cross_entropy(logits, found.targets), expected, rtol=1e-12, atol=0)
    assert found.images is images
    assert found.teacher is teacher


def test_a_share_above_1_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^label-smoothing\.share=1\.5 is out of range"):
        draw(None, [1], 8, share=1.5)
