"""The operations of AutoAugment's family, on bytes and batched: each takes its share of a batch, in one go.

What they do is what torchvision's `v2.functional` does with a uint8 image, interpolation "nearest", fill black. Every
operation gets equally many images of a batch, up to one: which images is chance, how many is not, so that shapes
depend on no value. An image has each operation with the same probability all the same.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from augdistill.augment.shared import Draws, as_images, as_mask, as_rows, draw_partners, gather_images, select

MOVING = ("shear-x", "shear-y", "translate-x", "translate-y", "rotate")
OPERATIONS = (*MOVING, "posterize", "solarize", "autocontrast", "equalize")
COLOURS = ("brightness", "color", "contrast", "sharpness")
SIGNED = (*MOVING, *COLOURS)


def draw_operations(
    rng: np.random.Generator, sizes: Sequence[int], levels: Mapping[str, np.ndarray], bins: np.ndarray
) -> Draws:
    """Draw an operation of `levels` for each of N samples, and its level: `bins` int [N] says which of the operation's.

    Levels of an operation in SIGNED have either sign. Returns operation int64 [N], its place in `levels`; slot
    int64 [N], the image's place where those of a batch lie by operation; level float64 [N].
    """
    count = len(levels)
    order = rng.permuted(np.tile(np.arange(count), (len(sizes), 1)), axis=1)
    place, batch = draw_partners(rng, sizes), np.repeat(np.arange(len(sizes)), sizes)
    operation = order[batch, place % count]
    slot = operation * -(-np.asarray(sizes) // count)[batch] + place // count
    signs = rng.choice([-1.0, 1.0], len(bins))
    signed = np.array([name in SIGNED for name in levels])[operation]
    level = np.stack(list(levels.values()))[operation, bins] * np.where(signed, signs, 1.0)
    return {"operation": operation, "slot": slot, "level": level}


def spaced(bins: int, shear: float, move: float, turn: float, colour: float, bits: tuple[int, int]) -> Draws:
    """Return each operation's levels [bins], those of `identity` too; the arguments are the strongest ones.

    `move` is in pixels, `turn` in degrees, `bits` how many posterising keeps, at first and at last.
    """
    share = np.linspace(0, 1, bins)
    kept = bits[0] - np.rint(np.arange(bins) / ((bins - 1) / (bits[0] - bits[1])))
    strongest = [shear, shear, move, move, turn]
    levels = {name: share * most for name, most in zip(MOVING, strongest, strict=True)}
    levels |= {"posterize": kept, "solarize": 255 * (1 - share), "autocontrast": 0 * share, "equalize": 0 * share}
    return {"identity": 0 * share} | levels | dict.fromkeys(COLOURS, share * colour)


def prepare_operations(draws: Draws, names: Sequence[str], side: int) -> Draws:
    """Return slot int64, level float32, and matrix float32 [...,2,3]: where pixels come from, off the centre."""
    name, level = np.array(names)[draws["operation"]], draws["level"]
    matrix = np.zeros((*level.shape, 2, 3))
    matrix[..., 0, 0] = matrix[..., 1, 1] = np.where(name == "rotate", np.cos(np.deg2rad(level)), 1.0)
    sine = np.where(name == "rotate", np.sin(np.deg2rad(level)), 0.0)
    across, down = np.where(name == "shear-x", level, 0.0), np.where(name == "shear-y", level, 0.0)
    matrix[..., 0, 1], matrix[..., 1, 0] = across - sine, down + sine
    matrix[..., 0, 2] = across * side / 2 - np.where(name == "translate-x", np.trunc(level), 0.0)
    matrix[..., 1, 2] = down * side / 2 - np.where(name == "translate-y", np.trunc(level), 0.0)
    return {"slot": draws["slot"], "level": level.astype(np.float32), "matrix": matrix.astype(np.float32)}


def operate(images: Tensor, names: Sequence[str], slot: Tensor, level: Tensor, matrix: Tensor) -> Tensor:
    """Return bytes [B,C,H,W] after each image's operation of `names`, where those that move pixels stand first.

    `slot` [B], `level` [B] and `matrix` [B,2,3] are as `prepare_operations` returns them.
    """
    room = -(-len(images) // len(names))
    here = torch.arange(len(images), device=images.device)
    source = torch.zeros(room * len(names), dtype=torch.int64, device=images.device).scatter(0, slot, here)
    sorted_, strength = gather_images(images, source), level.index_select(0, source)[:, None, None, None]
    moving = room * sum(name in MOVING for name in names)
    memory = torch.contiguous_format if images.is_contiguous() else torch.channels_last
    done = [moved(sorted_[:moving], matrix.index_select(0, source[:moving]))] if moving else []
    for begin in range(moving, len(source), room):
        kernel = KERNELS[names[begin // room]]
        some = kernel(sorted_[begin : begin + room], strength[begin : begin + room])
        done.append(some.contiguous(memory_format=memory))
    return gather_images(torch.cat(done), slot)


def moved(images: Tensor, matrix: Tensor) -> Tensor:
    """Return bytes [B,C,H,W] with pixels from where `matrix` [B,2,3] says, the nearest ones, black from outside."""
    rows = as_rows(images)
    count, planes, height, width, depth = rows.shape
    x = torch.arange(width, device=rows.device) - (width - 1) / 2
    y = (torch.arange(height, device=rows.device) - (height - 1) / 2)[:, None]
    column, row = (
        (matrix[:, axis, 0, None, None] * x + matrix[:, axis, 1, None, None] * y)
        .add_(matrix[:, axis, 2, None, None])
        .add_((side - 1) / 2)
        .round_()
        for axis, side in ((0, width), (1, height))
    )
    nearest_column, nearest_row = column.clamp(0, width - 1), row.clamp(0, height - 1)
    outside = (nearest_column != column) | (nearest_row != row)
    pixel = nearest_row.mul_(width).add_(nearest_column).int()
    plane = torch.arange(0, count * planes * height * width, height * width, dtype=torch.int32, device=rows.device)
    index = plane.view(count, planes, 1) + pixel.view(count, 1, -1)
    pixels = torch.cat([rows.reshape(-1, depth), rows.new_zeros(1, depth)])  # the last one is what lies outside
    index.masked_fill_(outside.view(count, 1, -1), len(pixels) - 1)
    return as_images(pixels.index_select(0, index.flatten()).view(rows.shape))


def as_bytes(values: Tensor) -> Tensor:
    """Return values as bytes, cut at both ends and to whole numbers below."""
    return values.clamp_(0, 255).to(torch.uint8)


def grey(images: Tensor) -> Tensor:
    """Return the brightness of bytes [B,C,H,W] in whole numbers, float32 [B,1,H,W]; all but three channels stay."""
    if images.shape[1] != 3:
        return images.float()
    red, green, blue = (images[:, channel : channel + 1].float() for channel in range(3))
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).floor_()


def blended(images: Tensor, other: Tensor, level: Tensor) -> Tensor:
    """Return bytes that moved away from `other` by 1 + level."""
    return as_bytes(torch.addcmul(images * (1 + level), other, -level))


def identity(images: Tensor, level: Tensor) -> Tensor:
    """Return the images."""
    return images


def posterize(images: Tensor, level: Tensor) -> Tensor:
    """Keep as many of the highest bits as `level` says."""
    return images & (256 - torch.exp2(8 - level)).to(torch.uint8)


def solarize(images: Tensor, level: Tensor) -> Tensor:
    """Invert what is not below `level`."""
    return select(as_mask(images >= level, torch.uint8), images, images.bitwise_not())


def autocontrast(images: Tensor, level: Tensor) -> Tensor:
    """Stretch each channel to 0..255; one that has a single value stays."""
    pixels = images.contiguous().float()
    least, most = (ends[..., None] for ends in pixels.flatten(2).aminmax(dim=2, keepdim=True))
    flat = most == least
    scale = ((most - least) * (1 / 255)).masked_fill(flat, 1.0)
    return as_bytes((pixels - least.masked_fill(flat, 0.0)).div_(scale))


def equalize(images: Tensor, level: Tensor) -> Tensor:
    """Make each channel's histogram flat, by Pillow's formula; a channel with too few values to do so stays."""
    pixels = images.contiguous().flatten(2).long()
    zeros = torch.zeros(*images.shape[:2], 256, dtype=torch.int32, device=images.device)
    histogram = zeros.scatter_add(2, pixels, torch.ones_like(pixels, dtype=torch.int32))
    below = histogram.cumsum(2, dtype=torch.int32)
    last = histogram.gather(2, below.argmax(2, keepdim=True))
    step = (pixels.shape[2] - last) // 255
    table = ((below - histogram + step // 2) // step.clamp(min=1)).clamp(0, 255)
    kept = torch.arange(256, dtype=torch.int32, device=images.device).expand_as(table)
    return torch.where(step > 0, table, kept).to(torch.uint8).gather(2, pixels).view(images.shape)


def brightness(images: Tensor, level: Tensor) -> Tensor:
    """Multiply by 1 + level."""
    return as_bytes(images * (1 + level))


def color(images: Tensor, level: Tensor) -> Tensor:
    """Move away from the grey image by 1 + level; a grey one stays."""
    planes = images.contiguous()
    return images if images.shape[1] != 3 else blended(planes, grey(planes), level)


def contrast(images: Tensor, level: Tensor) -> Tensor:
    """Move away from the mean grey by 1 + level."""
    return blended(images, grey(images).mean((1, 2, 3), keepdim=True), level)


def sharpness(images: Tensor, level: Tensor) -> Tensor:
    """Move away from the image smoothed by a kernel of 3 x 3 by 1 + level; the outermost pixels stay."""
    pixels = images.float()
    if min(images.shape[2:]) < 3:
        return images
    lines = pixels[:, :, :-2] + pixels[:, :, 1:-1] + pixels[:, :, 2:]
    around, inner = lines[..., :-2] + lines[..., 1:-1] + lines[..., 2:], pixels[:, :, 1:-1, 1:-1]
    smooth = ((around + 4 * inner) / 13).round()
    found = pixels.clone()
    found[:, :, 1:-1, 1:-1] = inner - (smooth - inner) * level
    return as_bytes(found)


Kernel = Callable[[Tensor, Tensor], Tensor]
KERNELS: dict[str, Kernel] = {
    "identity": identity,
    "posterize": posterize,
    "solarize": solarize,
    "autocontrast": autocontrast,
    "equalize": equalize,
    "brightness": brightness,
    "color": color,
    "contrast": contrast,
    "sharpness": sharpness,
}
