"""From logits to one proposed token a position: temperature, top-k, top-p, and the draw."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


class TokenKnobs(NamedTuple):
    """Traced, so that sweeping them compiles nothing."""

    temperature: Float[Array, ""]
    """0 is greedy."""
    top_p: Float[Array, ""]
    """1 keeps every token."""
    top_k: Int[Array, ""]
    """0 keeps every token."""


class Proposal(NamedTuple):
    """A token for each position, and the distribution that it is from."""

    tokens: Int[Array, "B L"]
    log_probabilities: Float[Array, "B L V"]
    """After temperature, top-p and top-k; minus infinity for what they exclude."""


def propose(
    logits: Float[Array, "B L V"],
    knobs: TokenKnobs,
    keys: Key[Array, " B"],
    *,
    emittable: Bool[Array, " V"],
) -> Proposal:
    """Temperature, then top-p, then top-k, then a draw (CoDA and Dream, generation_utils.py:61-100).

    Tokens that may not be emitted are never drawn, but keep their part of the distribution: the reference's confidences
    have it too. Where top-p and top-k leave no other, the most probable one that may be emitted is proposed.

    Args:
        logits: float32.
        knobs: how to shape and draw.
        keys: one a row; unused where the temperature is 0.
        emittable: which tokens may be drawn.
    """
    greedy = knobs.temperature <= 0
    logits = logits / jnp.where(greedy, 1.0, knobs.temperature)
    may_be_emitted = emittable[None, None, :]
    restricted = (knobs.top_p < 1) | (knobs.top_k > 0)
    kept = jax.lax.cond(restricted, lambda: _restrict(logits, knobs), lambda: logits)
    log_probabilities = jax.nn.log_softmax(kept, axis=-1)
    allowed = jnp.where(may_be_emitted, log_probabilities, -jnp.inf)

    def draw() -> Int[Array, "B L"]:
        return jax.vmap(lambda key, row: jax.random.categorical(key, row, axis=-1))(keys, allowed)

    tokens = jax.lax.cond(greedy, lambda: jnp.argmax(allowed, axis=-1), draw)
    excluded = jnp.isneginf(jnp.take_along_axis(allowed, tokens[..., None], axis=-1)[..., 0])

    def replace() -> Int[Array, "B L"]:
        return jnp.where(excluded, jnp.argmax(jnp.where(may_be_emitted, logits, -jnp.inf), axis=-1), tokens)

    tokens = jax.lax.cond(jnp.any(excluded), replace, lambda: tokens)
    return Proposal(tokens=tokens.astype(jnp.int32), log_probabilities=log_probabilities)


def _restrict(logits: Float[Array, "B L V"], knobs: TokenKnobs) -> Float[Array, "B L V"]:
    """Keeps the most probable tokens up to the one with which their mass exceeds top-p, and at most top-k."""
    vocabulary = logits.shape[-1]
    descending = -jnp.sort(-logits, axis=-1)
    probabilities = jax.nn.softmax(descending, axis=-1)
    mass_before = jnp.cumsum(probabilities, axis=-1) - probabilities
    rank = jnp.arange(vocabulary)
    within_k = rank < jnp.where(knobs.top_k > 0, knobs.top_k, vocabulary)
    kept = (mass_before <= knobs.top_p) & within_k[None, None, :]
    least = jnp.min(jnp.where(kept, descending, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(logits >= least, logits, -jnp.inf)
