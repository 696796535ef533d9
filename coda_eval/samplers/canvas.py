"""Prompts and the masked positions that are to be filled, as one padded batch.

Prompts are padded on the left, so that the canvases of all rows share their columns; what stands behind a canvas
(infilling) is padded on the right.
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
    """Padding, prompt, fill tokens in the canvas, suffix, padding."""
    positions: Int[np.ndarray, "B L"]
    key_mask: Bool[np.ndarray, "B L"]
    """Which tokens may be attended to."""
    masked: Bool[np.ndarray, "B L"]
    """Which are to be filled."""
    ending: Bool[np.ndarray, "B L"]
    """Where a stop token ends the text: the canvas, unless given tokens stand behind it."""


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
    suffixes: Sequence[Sequence[int]] | None = None,
    suffix_width: int = 0,
    holes: bool = False,
    attend_padding: bool = False,
) -> Canvas:
    """Pads the prompts on the left to `width` and puts `max_new_tokens` fill tokens behind them, then the suffixes.

    Args:
        prompts: token ids, none longer than `width`.
        width: columns of the prompts.
        max_new_tokens: columns of the canvas.
        fill_id: what stands where something is to be filled in.
        pad_id: what stands before a prompt and behind a suffix.
        suffixes: what stands behind each canvas; None for nothing.
        suffix_width: columns of the suffixes.
        holes: fill tokens among the prompts and suffixes are to be filled in too.
        attend_padding: the behaviour of CoDA's released evaluation, which ignores the attention mask
            (modeling_coda.py:406): padding is attended and positions count from the first pad. Otherwise padding is
            invisible and positions count from the first token of the prompt.
    """
    suffixes = suffixes or [()] * len(prompts)
    end = width + max_new_tokens
    shape = (len(prompts), end + suffix_width)
    tokens = np.full(shape, pad_id, np.int32)
    given = np.zeros(shape, bool)
    for row, (prompt, suffix) in enumerate(zip(prompts, suffixes, strict=True)):
        for start, part in ((width - len(prompt), prompt), (end, suffix)):
            tokens[row, start : start + len(part)] = part
            given[row, start : start + len(part)] = True
    tokens[:, width:end] = fill_id
    canvas = np.zeros(shape, bool)
    canvas[:, width:end] = True
    masked = canvas | (given & (tokens == fill_id)) if holes else canvas
    ending = canvas & np.array([not len(suffix) for suffix in suffixes])[:, None]
    column = np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape)
    if attend_padding:
        return Canvas(tokens, column.copy(), np.ones(shape, bool), masked, ending)
    first = width - np.array([len(prompt) for prompt in prompts], np.int32)
    return Canvas(tokens, np.maximum(column - first[:, None], 0), given | canvas, masked, ending)
