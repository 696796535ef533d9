"""Prompts and the masked positions behind them, as one padded batch.

Prompts are padded on the left, so that the canvases of all rows share their columns: the last `max_new_tokens`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

WIDTH_MULTIPLE = 64
"""Prompt widths are rounded up to a multiple of this, so that few shapes are compiled."""


class Canvas(NamedTuple):
    """A batch before it is decoded."""

    tokens: Int[np.ndarray, "B L"]
    """Padding, prompt, and fill tokens in the canvas."""
    positions: Int[np.ndarray, "B L"]
    key_mask: Bool[np.ndarray, "B L"]
    """Which tokens may be attended to."""


def prompt_width(lengths: Sequence[int]) -> int:
    """The width in which all of these prompts fit."""
    return -(-max(lengths) // WIDTH_MULTIPLE) * WIDTH_MULTIPLE


def build_canvas(
    prompts: Sequence[Sequence[int]],
    *,
    width: int,
    max_new_tokens: int,
    fill_id: int,
    pad_id: int,
    attend_padding: bool = False,
) -> Canvas:
    """Pads the prompts on the left to `width` and puts `max_new_tokens` fill tokens behind them.

    Args:
        prompts: token ids, none longer than `width`.
        width: columns of the prompts.
        max_new_tokens: columns of the canvas.
        fill_id: what stands in the canvas.
        pad_id: what stands before a prompt.
        attend_padding: the behaviour of CoDA's released evaluation, which ignores the attention mask
            (modeling_coda.py:406): padding is attended and positions count from the first pad. Otherwise padding is
            invisible and positions count from the first token of the prompt.
    """
    rows = len(prompts)
    tokens = np.full((rows, width + max_new_tokens), fill_id, np.int32)
    padding = np.array([width - len(prompt) for prompt in prompts], np.int32)
    for row, prompt in enumerate(prompts):
        tokens[row, : padding[row]] = pad_id
        tokens[row, padding[row] : width] = prompt
    column = np.broadcast_to(np.arange(tokens.shape[1], dtype=np.int32), tokens.shape)
    if attend_padding:
        return Canvas(tokens=tokens, positions=column.copy(), key_mask=np.ones(tokens.shape, bool))
    positions = np.maximum(column - padding[:, None], 0)
    return Canvas(tokens=tokens, positions=positions, key_mask=column >= padding[:, None])
