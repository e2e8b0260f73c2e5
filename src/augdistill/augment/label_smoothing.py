"""Label smoothing: labels lose a share to all classes alike (Szegedy et al. 2016, arXiv 1512.00567)."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from augdistill.augment.shared import Draws, Samples, check_fraction


def draw(rng: np.random.Generator, sizes: Sequence[int], side: int, *, share: float = 0.1) -> Draws:
    """Draw nothing: there is no chance in it; `share` in 0..1, else ConfigError."""
    check_fraction("label-smoothing.share", share)
    return {}


def apply(samples: Samples, draws: Mapping[str, Tensor], *, share: float = 0.1) -> Samples:
    """Return (1 - share) of the targets and `share` of the uniform distribution; what a teacher says stays."""
    targets = samples.targets
    uniform = targets.sum(dim=1, keepdim=True) / samples.classes
    return samples._replace(targets=(1 - share) * targets + share * uniform)
