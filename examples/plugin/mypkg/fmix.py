"""FMix: images are mixed by a mask of low-frequency noise (Harris et al. 2020, arXiv 2002.12047)."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from augdistill.augment.shared import Draws, Samples
from augdistill.base.checks import require


def draw(rng: np.random.Generator, sizes: Sequence[int], side: int, *, alpha: float = 1.0, decay: float = 3.0) -> Draws:
    """Draw each batch's mask, and each image's partner.

    lam ~ Beta(alpha, alpha) is the share of the image that stays; `decay`, of the noise's spectrum, above 0, says how
    large the patches are. Raises ConfigError. Returns partner int64 [N], own bool [N,side,side] and share float32 [N].
    """
    for name, value in (("alpha", alpha), ("decay", decay)):
        require(0 < value < 100, f"mypkg/fmix.{name}", value, "a number above 0 and below 100")
    masks = [mask(rng, rng.beta(alpha, alpha), side, decay) for _ in sizes]
    own = np.repeat(np.stack(masks), sizes, axis=0)
    partner = np.concatenate([rng.permutation(size) for size in sizes])
    return {"partner": partner, "own": own, "share": own.mean(axis=(1, 2), dtype=np.float32)}


def mask(rng: np.random.Generator, lam: float, side: int, decay: float) -> np.ndarray:
    """Return where an image keeps its own pixels, bool [side,side]: where smooth noise is among its largest `lam`."""
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    strength = np.maximum(np.hypot(rows, columns), 1 / side) ** -decay
    noise = rng.standard_normal((2, *strength.shape))
    smooth = np.fft.irfft2((noise[0] + 1j * noise[1]) * strength, (side, side))
    kept = np.zeros(side * side, bool)
    kept[np.argsort(smooth, axis=None)[side * side - round(lam * side * side) :]] = True
    return kept.reshape(side, side)


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Take the pixels outside of the mask from the partner; labels, and what a teacher says, are mixed by the share."""
    others = samples.images.index_select(0, draws["partner"])
    mixed = samples.images.where(draws["own"][:, None], others)
    return samples.mixed(mixed, draws["partner"], draws["share"])
