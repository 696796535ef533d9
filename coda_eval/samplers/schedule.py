"""Which share of the masked positions each denoising step commits."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_EPS = 1e-3  # `eps` of Dream's and CoDA's generation config: the time at which denoising ends
_CAPACITY = 1024


def transfer_ratios(*steps: int) -> Float[np.ndarray, "schedules capacity"]:
    """1 - s/t for each step from time t to time s, 1 for the last step; zeros behind it. A row for each of `steps`.

    Time runs from 1 to 0.001 in equal steps (Dream and CoDA, generation_utils.py:440-512). Computed in float32 as
    `torch.linspace` does it, from both ends: the counts are truncated products of these numbers and would differ.
    The length is a multiple of 1024, so that a sweep over step counts keeps one shape.
    """
    ratios = np.zeros((len(steps), -(-max(steps) // _CAPACITY) * _CAPACITY), np.float32)
    for row, count in zip(ratios, steps, strict=True):
        times = _torch_linspace(1.0, _EPS, count + 1)
        row[:count] = np.float32(1) - times[1:] / times[:-1]
        row[count - 1] = 1
    return ratios


def _torch_linspace(start: float, end: float, count: int) -> Float[np.ndarray, " count"]:
    """`torch.linspace` on a CPU, bit for bit: the step in float32, and `start + step * i` rounded once (it is fused
    there; here the exact sum in float64 is rounded). Compared with torch 2.13 for every count from 2 to 1100.
    """
    first, last = np.float32(start), np.float32(end)
    step = np.float64((last - first) / np.float32(count - 1))
    index = np.arange(count, dtype=np.float64)
    from_start = np.float64(first) + step * index
    from_end = np.float64(last) - step * (count - 1 - index)
    return np.where(np.arange(count) < count // 2, from_start, from_end).astype(np.float32)
