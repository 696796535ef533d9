"""Top-p and top-k without sorting the vocabulary.

Nearly always the tokens kept are among the `BEST` best, which the pass over the vocabulary has collected. Where they
are not, the least kept logit is found by bisection. Kept are the most probable tokens up to the one with which their
mass exceeds top-p, at most top-k, and those tied with the last of them.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from coda_eval.samplers.tokens import LEAST, Choice, TokenKnobs

BEST = 64
"""How many tokens are collected: more than the 50 of transformers' default top-k, which CoDA and Dream inherit."""
_REFERENCE_EPS = 1e-10  # within the logarithm of the references' entropy (CoDA, generation_utils.py:94)


class BestTokens(NamedTuple):
    """The tokens of the highest logits, best first; equal logits in order of id."""

    values: Float[Array, "N best"]
    ids: Int[Array, "N best"]


class Restricted(NamedTuple):
    """A choice among the tokens kept."""

    choice: Choice
    complete: Bool[Array, " N"]
    """All tokens kept were at hand."""


def choose_among_best(
    best: BestTokens,
    log_mass: Float[Array, " N"],
    fallback: Int[Array, " N"],
    luck: Float[Array, " N"],
    knobs: TokenKnobs,
    emittable: Bool[Array, " V"],
) -> Restricted:
    """The choice where the tokens kept are among the best ones.

    Args:
        best: of logits after temperature.
        log_mass: the log-sum-exp over the whole vocabulary.
        fallback: the best token that may be written.
        luck: uniform in [0, 1), for the draw.
        knobs: top-p, top-k, and whether to draw.
        emittable: which tokens may be drawn.
    """
    probabilities = jnp.exp(best.values - log_mass[:, None])
    mass_before = jnp.cumsum(probabilities, axis=1) - probabilities
    V, width = emittable.shape[0], best.values.shape[1]
    rank = jnp.arange(width)[None, :]
    within = (mass_before <= knobs.top_p) & (rank < jnp.where(knobs.top_k > 0, knobs.top_k, V))
    least = jnp.min(jnp.where(within, best.values, jnp.inf), axis=1)
    complete = (best.values[:, -1] < least) | (width == V)
    choice = _choose(best.values, best.ids, least, fallback, luck, knobs, emittable)
    return Restricted(choice, complete)


def least_kept(logits: Float[Array, "parts part N"], knobs: TokenKnobs) -> Float[Array, " N"]:
    """The lowest logit that top-p and top-k keep: the least one above which there is neither the mass nor the count.

    Bisection over the bits of float32 numbers, whose order is that of integers: exact after 32 halvings.
    """
    count = jnp.where(knobs.top_k > 0, knobs.top_k, logits.shape[0] * logits.shape[1])
    peak = jnp.max(logits, axis=(0, 1))
    weights = jnp.exp(logits - peak[None, None, :])
    allowed_mass = knobs.top_p * jnp.sum(weights, axis=(0, 1))

    def keeps(value: Float[Array, " N"]) -> Bool[Array, " N"]:
        above = logits > value[None, None, :]
        mass = jnp.sum(jnp.where(above, weights, 0.0), axis=(0, 1))
        return (mass <= allowed_mass) & (jnp.sum(above.astype(jnp.int32), axis=(0, 1)) < count)

    def halve(
        _: Int[Array, ""], ends: tuple[Int[Array, " N"], Int[Array, " N"]]
    ) -> tuple[Int[Array, " N"], Int[Array, " N"]]:
        low, high = ends
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        kept = keeps(_from_ordered(middle))
        return jnp.where(kept, low, middle), jnp.where(kept, middle, high)

    lowest = jnp.full_like(peak, -jnp.inf)
    _, high = jax.lax.fori_loop(0, 32, halve, (_to_ordered(lowest), _to_ordered(peak)))
    return _from_ordered(high)


def _choose(
    values: Float[Array, "N some"],
    ids: Int[Array, "N some"],
    least: Float[Array, " N"],
    fallback: Int[Array, " N"],
    luck: Float[Array, " N"],
    knobs: TokenKnobs,
    emittable: Bool[Array, " V"],
) -> Choice:
    kept = values >= least[:, None]
    log_probabilities = jax.nn.log_softmax(jnp.where(kept, values, -jnp.inf), axis=1)
    allowed = jnp.where(emittable[ids], log_probabilities, -jnp.inf)

    # What may be drawn has weights relative to the best of it, or none at all.
    peak = jnp.maximum(jnp.max(allowed, axis=1), LEAST)[:, None]
    place = jnp.where(
        knobs.temperature > 0, draw_by_weight(jnp.exp(allowed - peak), luck), jnp.argmax(allowed, axis=1)
    )[:, None]
    log_probability = jnp.take_along_axis(allowed, place, axis=1)[:, 0]
    drawn = jnp.take_along_axis(ids, place, axis=1)[:, 0]
    probabilities = jnp.exp(log_probabilities)
    first = jnp.argmax(probabilities, axis=1)[:, None]
    others = jnp.where(jnp.arange(values.shape[1])[None, :] == first, 0.0, probabilities)
    return Choice(
        tokens=jnp.where(jnp.isneginf(log_probability), fallback, drawn),
        log_probability=log_probability,
        negative_entropy=jnp.sum(probabilities * jnp.log(probabilities + _REFERENCE_EPS), axis=1),
        margin=jnp.max(probabilities, axis=1) - jnp.max(others, axis=1),
    )


def draw_by_weight(weights: Float[Array, "N some"], luck: Float[Array, " N"]) -> Int[Array, " N"]:
    """A place of each row with the probability of its weight; the first where all weights are zero."""
    totals = jnp.cumsum(weights, axis=1)
    # The last total is above the aim, if only by rounding down.
    aim = jnp.minimum(luck * totals[:, -1], jnp.nextafter(totals[:, -1], 0.0))
    return jnp.argmax(totals > aim[:, None], axis=1)


def _to_ordered(x: Float[Array, " N"]) -> Int[Array, " N"]:
    """Integers in the order of the numbers."""
    bits = jax.lax.bitcast_convert_type(x, jnp.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _from_ordered(integers: Int[Array, " N"]) -> Float[Array, " N"]:
    return jax.lax.bitcast_convert_type(integers ^ ((integers >> 31) & 0x7FFFFFFF), jnp.float32)
