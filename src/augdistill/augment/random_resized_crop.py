"""Random resized crop and flip: a part of the image at full size (Szegedy et al. 2015, arXiv 1409.4842)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augdistill.augment.shared import Draws, Samples, check_fraction, is_number
from augdistill.base.checks import require

TRIES = 10  # as in torchvision, of a crop that fits


def draw(
    rng: np.random.Generator,
    sizes: Sequence[int],
    side: int,
    *,
    smallest: float = 0.08,
    largest: float = 1.0,
    aspect: float = 0.75,
    flip: float = 0.5,
) -> Draws:
    """Draw each image's crop, and whether it is flipped, with probability `flip`.

    The crop's area is uniform between `smallest` and `largest` as shares of the image's, its width over its height
    log-uniform between `aspect` and 1 / `aspect`, its place uniform. Of ten the first that fits is taken, the whole
    image where none does. Raises ConfigError. Returns the edges top, bottom, left, right int64 [N]; flip bool [N].
    """
    check_fraction("random-resized-crop.largest", largest)
    is_share = is_number(smallest) and 0 < smallest <= largest
    wanted = f"a number above 0, at most random-resized-crop.largest, {largest}"
    require(is_share, "random-resized-crop.smallest", smallest, wanted)
    require(is_number(aspect) and 0 < aspect <= 1, "random-resized-crop.aspect", aspect, "a number above 0, at most 1")
    check_fraction("random-resized-crop.flip", flip)
    count = sum(sizes)
    area = side**2 * rng.uniform(smallest, largest, (TRIES, count))
    ratio = np.exp(rng.uniform(np.log(aspect), -np.log(aspect), (TRIES, count)))
    tried = np.rint(np.sqrt([area / ratio, area * ratio])).astype(int)  # heights and widths
    fits = ((tried > 0) & (tried <= side)).all(axis=0)
    height, width = np.where(fits.any(axis=0), tried[:, fits.argmax(axis=0), np.arange(count)], side)
    top, left = rng.integers(0, side - np.array([height, width]) + 1)
    return {"top": top, "bottom": top + height, "left": left, "right": left + width, "flip": rng.random(count) < flip}


def prepare(draws: Draws, side: int) -> Draws:
    """Return where each row and each column comes from, as grid_sample counts, float64 down and across [N,side].

    Nothing comes from beyond the crop's outermost pixels, as if it had been cut out first.
    """

    def source(begin: str, end: str) -> np.ndarray:
        first, last = (draws[edge].astype(np.float64)[:, None] for edge in (begin, end))
        pixel = (np.arange(side) + 0.5) * (last - first) / side - 0.5
        found: np.ndarray = (2 * (first + pixel.clip(0, last - first - 1)) + 1) / side - 1
        return found

    across = source("left", "right")
    return {"down": source("top", "bottom"), "across": np.where(draws["flip"][:, None], across[:, ::-1], across)}


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Enlarge each image's crop to the image, bilinear, in fp32 at least."""
    images = samples.images
    wide = torch.promote_types(images.dtype, torch.float32)
    shape = len(images), *images.shape[2:]
    across, down = draws["across"].to(wide)[:, None].expand(shape), draws["down"].to(wide)[:, :, None].expand(shape)
    grid = torch.stack([across, down], dim=3)
    found = functional.grid_sample(images.to(wide), grid, align_corners=False)
    memory = torch.contiguous_format if images.is_contiguous() else torch.channels_last
    return samples._replace(images=found.to(images.dtype).contiguous(memory_format=memory))
