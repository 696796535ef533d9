"""Which position a hidden state predicts.

Where a family's raw outputs are shifted, row i predicts token i + 1. Nothing predicts the first token; it takes the raw
row 0, as the reference does (CoDA, generation_utils.py:457).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def align(hidden: Float[Array, "B L D"], *, shifted: bool) -> Float[Array, "B L D"]:
    """Hidden states whose row p predicts the token at position p, from those of all positions."""
    return jnp.concatenate([hidden[:, :1], hidden[:, :-1]], axis=1) if shifted else hidden


class RawWindow(NamedTuple):
    """The columns to compute so that `width` columns from `start` on are predicted."""

    start: Int[Array, " B"]
    width: int


def raw_window(start: Int[Array, " B"], *, width: int, length: int, shifted: bool, causal: bool) -> RawWindow:
    """Shifted outputs need the column before the first.

    The last predicted column is computed too, since its keys are seen by the others, unless the model is causal. Where
    the window begins at column 0 there is none before: everything moves one to the right.
    """
    if not shifted:
        return RawWindow(start, width)
    raw_width = width if causal else min(width + 1, length)
    return RawWindow(jnp.clip(start - 1, 0, length - raw_width), raw_width)


def align_window(
    hidden: Float[Array, "B raw D"], raw: RawWindow, start: Int[Array, " B"], *, width: int, shifted: bool
) -> Float[Array, "B width D"]:
    """Hidden states whose row j predicts column start + j, from those of a raw window."""
    if not shifted:
        return hidden
    predicted = start[:, None] + jnp.arange(width, dtype=start.dtype)[None, :]
    rows = jnp.maximum(predicted - 1, 0) - raw.start[:, None]
    return jnp.take_along_axis(hidden, rows[:, :, None], axis=1)
