"""AugMix: an image mixed with three chains of operations on it (Hendrycks et al. 2020, arXiv 1912.02781).

The chains alone, as torchvision has them; the paper's consistency loss is no part of it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from augdistill.augment.operations import COLOURS, OPERATIONS, draw_operations, operate, prepare_operations, spaced
from augdistill.augment.shared import Draws, Samples, check_positive, draw_partners, gather_images
from augdistill.base.checks import require

CHAINS = 3  # of one, two or three operations, as in the paper
BINS = 10  # of strength


def levels(side: int, colours: bool) -> dict[str, np.ndarray]:
    """Return each operation's levels; the paper leaves out `colours`, which are among CIFAR-10-C's corruptions."""
    found = spaced(BINS, shear=0.3, move=side / 3, turn=30.0, colour=0.9, bits=(4, 0))
    return {name: found[name] for name in (*OPERATIONS, *(COLOURS if colours else ()))}


def draw(
    rng: np.random.Generator,
    sizes: Sequence[int],
    side: int,
    *,
    severity: int = 3,
    alpha: float = 1.0,
    colours: bool = False,
) -> Draws:
    """Draw three chains for each image and the weights that mix them. Raises ConfigError.

    Levels are the lowest `severity`, 1..10; chains weigh Dirichlet(alpha), all together Beta(alpha, alpha). A third of
    a batch's chains has one operation, a third two, a third three. Returns weights float32 [N,4], the image's own
    first; place int64 [N,3], a chain's where those of a batch lie by length, the longest first; operation, slot int64
    and level float64 [N,6]: three for first operations, two for second, one for third ones.
    """
    is_whole = isinstance(severity, int) and not isinstance(severity, bool)
    require(is_whole and 1 <= severity <= BINS, "augmix.severity", severity, "a whole number from 1 to 10")
    check_positive("augmix.alpha", alpha)
    require(isinstance(colours, bool), "augmix.colours", colours, "true or false")
    count = sum(sizes)
    place = draw_partners(rng, [CHAINS * size for size in sizes]).reshape(count, CHAINS)
    own = rng.beta(alpha, alpha, (count, 1))
    weights = np.concatenate([own, (1 - own) * rng.dirichlet([alpha] * CHAINS, count)], axis=1).astype(np.float32)
    steps = []
    for chains in range(CHAINS, 0, -1):
        bins = rng.integers(0, severity, chains * count)
        drawn = draw_operations(rng, [chains * size for size in sizes], levels(side, colours), bins)
        steps.append({key: values.reshape(count, chains) for key, values in drawn.items()})
    joined = {key: np.concatenate([step[key] for step in steps], axis=1) for key in steps[0]}
    return {"weights": weights, "place": place} | joined


def prepare(draws: Draws, side: int) -> Draws:
    """Return weights and place, slot and level [N,6], and matrix [N,6,2,3], as `prepare_operations` has them."""
    steps = prepare_operations(draws, (*OPERATIONS, *COLOURS), side)
    return {"weights": draws["weights"], "place": draws["place"]} | steps


def apply(samples: Samples, draws: Mapping[str, Tensor], *, colours: bool = False) -> Samples:
    """Mix each image, bytes, with its chains; labels stay."""
    images, place = samples.images, draws["place"].flatten()
    names = (*OPERATIONS, *(COLOURS if colours else ()))
    owner = torch.arange(len(place), device=images.device) // CHAINS
    chains, begin = gather_images(images, torch.zeros_like(place).scatter(0, place, owner)), 0
    for step in range(CHAINS, 0, -1):
        some, rest = chains[: step * len(images)], chains[step * len(images) :]
        drawn = (draws[key][:, begin : begin + step].flatten(0, 1) for key in ("slot", "level", "matrix"))
        chains, begin = torch.cat([operate(some, names, *drawn), rest]), begin + step
    own, *shares = draws["weights"].to(torch.float32)[:, :, None, None, None].unbind(1)
    mixed = images * own
    for chain, share in enumerate(shares):
        mixed += gather_images(chains, draws["place"][:, chain]) * share
    return samples._replace(images=mixed.to(torch.uint8))
