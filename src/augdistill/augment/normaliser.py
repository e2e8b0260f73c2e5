"""From bytes to what a model sees: (image / 255 - mean) / std for each channel."""

import torch
from torch import Tensor


class Normaliser:
    """Turns bytes [B,C,H,W] into normalised floats of the dtype of `mean` [C], in one memory format.

    `black` [C] is what a byte of 0 becomes. The factors have an image's shape, since adding tensors of one layout is
    eight times as fast on a CPU as broadcasting over channels that lie innermost.
    """

    def __init__(
        self, mean: Tensor, std: Tensor, shape: tuple[int, int, int], memory_format: torch.memory_format
    ) -> None:
        self.memory_format = memory_format
        self.black = -mean / std
        self.scale, self.shift = (
            values[:, None, None].expand(1, *shape).contiguous(memory_format=memory_format)
            for values in (1 / (255 * std), self.black)
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Return uint8 images [B,C,H,W] as floats; the channels are moved while they are bytes, a quarter of floats."""
        pixels = images.contiguous(memory_format=self.memory_format).to(self.scale.dtype)
        return torch.addcmul(self.shift, pixels, self.scale, out=pixels)
