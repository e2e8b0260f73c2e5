"""Random erasing: a rectangle of some images is the mean colour (Zhong et al. 2020, arXiv 1708.04896)."""

from collections.abc import Sequence

import numpy as np

from augdistill.augment.cutout import apply, prepare
from augdistill.augment.shared import Draws, check_fraction, is_number
from augdistill.base.checks import require

__all__ = ["apply", "draw", "prepare"]

TRIES = 10  # as in torchvision, of a rectangle that fits


def draw(
    rng: np.random.Generator,
    sizes: Sequence[int],
    side: int,
    *,
    prob: float = 0.5,
    smallest: float = 0.02,
    largest: float = 0.33,
    aspect: float = 0.3,
) -> Draws:
    """Draw which images lose a rectangle, with probability `prob`, and which one.

    Its area is uniform between `smallest` and `largest` as shares of the image's, its height over its width log-uniform
    between `aspect` and 1 / `aspect`, its place uniform among those inside the image. Of ten rectangles the first that
    is smaller than the image both ways is taken, none where there is none. Raises ConfigError.
    Returns the edges top, bottom, left, right, int64 [N], equal where nothing is erased.
    """
    check_fraction("random-erasing.prob", prob)
    check_fraction("random-erasing.largest", largest)
    is_share = is_number(smallest) and 0 <= smallest <= largest
    require(is_share, "random-erasing.smallest", smallest, f"a number from 0 to random-erasing.largest, {largest}")
    require(is_number(aspect) and 0 < aspect <= 1, "random-erasing.aspect", aspect, "a number above 0, at most 1")
    count = sum(sizes)
    erased = rng.random(count) < prob
    area = side**2 * rng.uniform(smallest, largest, (TRIES, count))
    ratio = np.exp(rng.uniform(np.log(aspect), -np.log(aspect), (TRIES, count)))
    tried = np.rint(np.sqrt([area * ratio, area / ratio])).astype(int)  # heights and widths
    fits = (tried < side).all(axis=0)
    first = fits.argmax(axis=0)
    height, width = tried[:, first, np.arange(count)] * (erased & fits.any(axis=0))
    top, left = rng.integers(0, side - np.array([height, width]) + 1)
    return {"top": top, "bottom": top + height, "left": left, "right": left + width}
