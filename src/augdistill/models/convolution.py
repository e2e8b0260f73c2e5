"""A convolution that takes an equal form where oneDNN's own is slow, tiny maps, or writes where it must not."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Measured in bf16 with AMX on one thread, forward and backward: 384 to 256 channels on 2 x 2 maps 17.4 ms against
# 5.5 ms, 512 on 4 x 4 maps 135 against 52, 64 on 4 x 4 maps 2.1 against 1.6. On 8 x 8 maps both take as long.
TINY_SIDE = 4
WIDE = 64
IN_A_ROW = 32
VECTOR, LONG_VECTOR = 8, 16  # floats of AVX2, of AVX-512


class Convolution(nn.Conv2d):
    """`nn.Conv2d` with the same parameters and results; in bf16 on a CPU, tiny maps are convolved side by side."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the maps [B,O,H',W'] of images [B,C,H,W]."""
        if is_unsound(self, images):
            return strided(self, images)
        return side_by_side(self, images) if is_slow(self, images) else super().forward(images)


def is_unsound(layer: nn.Conv2d, images: Tensor) -> bool:
    """Return whether oneDNN's gradient of the weights would write beyond its memory, and end the process.

    Seen with torch 2.15 on CPUs, channels last, in fp32 and bf16, on two threads in every run of some steps: 1x1, a
    stride, and fewer channels than a vector has; never with as many, another kernel, another layout or no stride.
    """
    is_projection = layer.kernel_size == (1, 1) and layer.stride != (1, 1) and layer.padding == (0, 0)
    if not is_projection or images.device.type != "cpu":
        return False
    if torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return layer.in_channels < LONG_VECTOR and images.is_contiguous(memory_format=torch.channels_last)
    return layer.in_channels < VECTOR  # in any layout: so runs there have always rounded


def strided(layer: nn.Conv2d, images: Tensor) -> Tensor:
    """Return the same maps of a 1x1 convolution from the pixels that its stride meets."""
    down, right = layer.stride
    pixels = images[:, :, ::down, ::right].contiguous(memory_format=torch.channels_last)
    return F.conv2d(pixels, layer.weight, layer.bias, groups=layer.groups)


def is_slow(layer: nn.Conv2d, images: Tensor) -> bool:
    """Return whether oneDNN, whose gradient of the weights sums along a row of the map, starves on this layer."""
    in_bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    is_tiny = max(images.shape[-2:]) <= TINY_SIDE and layer.in_channels >= WIDE
    is_plain = layer.stride == layer.dilation == (1, 1) and layer.groups == 1
    return images.device.type == "cpu" and in_bf16 and is_tiny and is_plain


def side_by_side(layer: nn.Conv2d, images: Tensor) -> Tensor:
    """Return the same maps from images that stand in rows, apart by their padding: wide maps in the place of tiny ones.

    What the convolution finds between two images is cut out.
    """
    down, right = (int(amount) for amount in layer.padding)
    count, beyond = math.gcd(len(images), IN_A_ROW), layer.kernel_size[1] - 1
    apart = F.pad(images.permute(0, 2, 3, 1), (0, 0, right, right))
    _, height, width, channels = apart.shape
    rows = apart.reshape(-1, count, height, width, channels).transpose(1, 2).flatten(2, 3)
    rows = F.pad(rows, (0, 0, 0, beyond))
    maps = F.conv2d(rows.permute(0, 3, 1, 2), layer.weight, layer.bias, padding=(down, 0)).permute(0, 2, 3, 1)
    single = maps.reshape(*maps.shape[:2], count, width, -1)[:, :, :, : width - beyond]
    return single.transpose(1, 2).flatten(0, 1).permute(0, 3, 1, 2)
