"""How text is masked in training: the noise of masked diffusion and CoDA's three strategies.

A masking level t is drawn for each row, and each maskable token is masked with probability t. On top of that, in
pre-training (CoDA report, section 2): an *unmaskable prefix* (as a prompt is at inference), a *truncated suffix* (texts
of all lengths in a fixed width), and *block masking* (whole runs of tokens vanish together, as where code is infilled).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskingStrategy:
    """How often each strategy applies to a row, and how light the noise may be."""

    prefix_probability: float = 0.0
    truncate_probability: float = 0.0
    block_probability: float = 0.0
    block_sizes: tuple[int, ...] = (4, 8, 16)
    least_level: float = 0.001
    """Levels are uniform between this and 1."""


class Masking(NamedTuple):
    """What to hide from the model and what to ask it for."""

    masked: Bool[Array, "B L"]
    """Replaced by the mask token and predicted."""
    attended: Bool[Array, "B L"]
    """Seen by attention: False in padding and in a truncated suffix."""
    level: Float[Array, " B"]
    """t of each row; the loss weighs a row's masked tokens by 1/t."""


def draw_masking(
    key: PRNGKeyArray, strategy: MaskingStrategy, *, start: Int[Array, " B"], end: Int[Array, " B"], length: int
) -> Masking:
    """Masks rows whose tokens from `start` to `end` (exclusive) are maskable and whose tokens before `end` are text."""
    level_key, prefix_key, prefix_cut_key, truncate_key, truncate_cut_key, block_key, size_key, token_key = (
        jax.random.split(key, 8)
    )
    batch = start.shape[0]
    position = jnp.broadcast_to(jnp.arange(length)[None, :], (batch, length))

    # Stratified over the batch: the same law, less noise in the weights 1/t.
    offsets = jnp.arange(batch, dtype=jnp.float32) / batch
    uniform = (jax.random.uniform(level_key) + offsets) % 1.0
    level = strategy.least_level + (1.0 - strategy.least_level) * uniform

    def cut(key: PRNGKeyArray, low: Int[Array, " B"], high: Int[Array, " B"]) -> Int[Array, " B"]:
        return low + (jax.random.uniform(key, (batch,)) * (high - low).astype(jnp.float32)).astype(jnp.int32)

    truncated = jax.random.bernoulli(truncate_key, strategy.truncate_probability, (batch,))
    end = jnp.where(truncated, cut(truncate_cut_key, start + 1, end + 1), end)
    prefixed = jax.random.bernoulli(prefix_key, strategy.prefix_probability, (batch,))
    start = jnp.where(prefixed, cut(prefix_cut_key, start, end), start)

    blocked = jax.random.bernoulli(block_key, strategy.block_probability, (batch,))
    sizes = jnp.asarray(strategy.block_sizes)[jax.random.randint(size_key, (batch,), 0, len(strategy.block_sizes))]
    group = position // jnp.where(blocked, sizes, 1)[:, None]
    draws = jnp.take_along_axis(jax.random.uniform(token_key, (batch, length)), group, axis=1)

    attended = position < end[:, None]
    masked = (draws < level[:, None]) & (position >= start[:, None]) & attended
    return Masking(masked=masked, attended=attended, level=level)
