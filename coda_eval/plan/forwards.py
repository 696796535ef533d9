"""How many forwards of which kind a batch takes, from the sampler's settings."""

from __future__ import annotations

from typing import NamedTuple

from coda_eval.config import SamplerConfig


class Forwards(NamedTuple):
    """Of one batch, where no row ends early and no step commits more than it must: at most."""

    full: int
    """Over all columns."""
    window: int
    """Over some, against the cache."""
    window_columns: int
    """How many columns those are, on average."""
    block: int
    """Positions to which the head is applied at most, a row."""


def forwards_of(config: SamplerConfig, *, causal: bool, length: int) -> Forwards:
    """The forwards of a batch.

    Args:
        config: with `max_new_tokens`.
        causal: the model decodes from left to right.
        length: columns of a row.
    """
    canvas = config.max_new_tokens
    assert canvas is not None
    if causal:
        if config.cache == "none":
            return Forwards(canvas, 0, 1, 1)
        return Forwards(1, canvas - 1, 1, 1)
    steps = canvas if config.steps is None else min(config.steps, canvas)
    block = min(config.block_length or canvas, canvas)
    blocks = -(-canvas // block)
    steps = max(steps, blocks)
    match config.cache:
        case "dual":
            return Forwards(blocks, steps - blocks, block, block)
        case "vicinity":
            return Forwards(blocks, steps - blocks, min(block + 2 * config.vicinity, length), block)
        case "prefix":
            return Forwards(blocks, steps - blocks, (canvas + block) // 2, block)
        case "every-n":
            each = -(-(steps // blocks) // (config.refresh_every + 1))
            return Forwards(blocks * each, steps - blocks * each, block, block)
        case _:
            return Forwards(steps, 0, block, block)
