"""Dropout without a generator: whether a unit drops is an integer function of (key, layer, sample, unit).

The same units drop on CPU and GPU, in a bank and alone, resumed or not, and nothing has to be drawn beforehand.
"""

import torch
from torch import Tensor, nn

# Two rounds of multiply and xorshift, constants from hash-prospector (github.com/skeeto/hash-prospector), chosen
# among its best for factors below 2**31: products of 32-bit values then fit into int64.
FIRST, SECOND = 0x21F0AAAD, 0x735A2D97
LOW32 = 0xFFFFFFFF
UNITS = 0x9E3779B9  # keeps the hashes of units apart from those of samples


class Dropout(nn.Module):
    """Dropout with probability `p` in [0, 1); `layer` tells the dropout layers of one model apart."""

    def __init__(self, p: float, layer: int) -> None:
        super().__init__()
        self.p, self.layer = p, layer

    def forward(self, x: Tensor, key: int | Tensor | None) -> Tensor:
        """Return x [B,d] with units zeroed and the rest scaled by 1 / (1 - p); x itself if `key` is None."""
        if key is None:
            return x
        mask = keep_mask(key, self.layer, x.shape[0], x.shape[1], self.p, x.device)
        return x * mask.to(x.dtype).mul_(1 / (1 - self.p))

    def extra_repr(self) -> str:
        return f"p={self.p}, layer={self.layer}"


def keep_mask(
    key: int | Tensor, layer: int, samples: int, units: int, p: float, device: torch.device | str = "cpu"
) -> Tensor:
    """Return which units are kept, bool [samples, units], each with probability 1 - p.

    `key` names the training step: an integer or an int64 tensor of no dimensions on `device` (also under vmap), of
    which all 64 bits count. There is no control flow on values and no host synchronisation.
    """
    step = torch.as_tensor(key)
    step = mix(mix(mix(step & LOW32) ^ ((step >> 32) & LOW32)) ^ layer)
    rows = mix(torch.arange(samples, device=device) ^ step)
    columns = mix(torch.arange(units, device=device) + UNITS)
    # From here in int32, whose products wrap around: a third of the time of int64, and of nn.Dropout on a CPU.
    bits = rows.to(torch.int32)[:, None] ^ columns.to(torch.int32)
    bits ^= (bits >> 16) & 0xFFFF
    bits *= FIRST
    bits ^= (bits >> 15) & 0x1FFFF
    bits *= SECOND
    return bits >= round(p * 2**32) - 2**31


def mix(bits: Tensor) -> Tensor:
    """Return a well-mixed permutation of the 32-bit values held in an int64 tensor."""
    bits = ((bits ^ (bits >> 16)) * FIRST) & LOW32
    bits = ((bits ^ (bits >> 15)) * SECOND) & LOW32
    return bits ^ (bits >> 15)
