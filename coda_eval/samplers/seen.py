"""What one pass over the vocabulary collects of each position's distribution.

Tokens lead and positions follow in every array of logits: the weights of a head are multiplied as they lie.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from coda_eval.samplers.nucleus import BestTokens, draw_by_weight
from coda_eval.samplers.tokens import LEAST

_TINY = float(np.finfo(np.float32).tiny)
_GROUP = 64  # a draw finds its group of tokens first, then the token


class Seen(NamedTuple):
    """What is known of the distribution from what was seen of the vocabulary, or of each part (axis 0)."""

    peak: Float[Array, " N"]
    mass: Float[Array, " N"]
    """The sum of exp((logit - peak) * scale)."""
    emittable: Float[Array, " N"]
    """The highest logit of a token that may be written."""
    emittable_id: Int[Array, " N"]
    drawn: Float[Array, " N"]
    """The logit of a draw among the tokens that may be written."""
    drawn_id: Int[Array, " N"]
    drawn_rank: Float[Array, " N"]
    """Decides between the draws of two chunks."""
    weighted: Float[Array, " N"] | None = None
    """The sum of exp((logit - peak) * scale) * (logit - peak) * scale; None where no entropy is asked for."""
    second: Float[Array, " N"] | None = None
    """The second highest logit; None where it is not asked for."""
    best: BestTokens | None = None
    """None where they are not asked for."""


class Look(NamedTuple):
    """How a chunk of the vocabulary is looked at."""

    scale: Float[Array, ""]
    """Of the logits: one over the temperature."""
    drawing: Bool[Array, ""]
    """A token is drawn."""
    keeping: Bool[Array, ""]
    """The best tokens are kept, where `Seen` has a place for them."""
    all_emittable: Bool[Array, ""]
    """Every token of the chunk may be written."""


def nothing_seen(parts: int, N: int, *, entropy: bool, second: bool, best: int | None) -> Seen:
    """Of each part; `best` is how many tokens are kept."""
    shape = (parts, N)
    zeros, least, no_id = jnp.zeros(shape), jnp.full(shape, LEAST), jnp.zeros(shape, jnp.int32)
    kept = None if best is None else BestTokens(jnp.full((*shape, best), LEAST), jnp.zeros((*shape, best), jnp.int32))
    return Seen(
        peak=least,
        mass=zeros,
        emittable=least,
        emittable_id=no_id,
        drawn=least,
        drawn_id=no_id,
        drawn_rank=jnp.full(shape, -jnp.inf),
        weighted=zeros if entropy else None,
        second=least if second else None,
        best=kept,
    )


def see(
    seen: Seen,
    logits: Float[Array, "parts S T"],
    ids: Int[Array, "parts S"],
    emittable: Bool[Array, "parts S"],
    luck: Float[Array, "parts T 2"],
    look: Look,
) -> Seen:
    """Takes a chunk of every part into account.

    Args:
        seen: of each part.
        logits: before temperature; `LEAST` where there is nothing.
        ids: rising within a part, and higher than those seen before.
        emittable: which may be written.
        luck: two uniform numbers a chunk and position.
        look: what to do with it.
    """
    after: Seen = jax.vmap(functools.partial(_see, look=look))(seen, logits, ids, emittable, luck)
    return after


def _see(
    seen: Seen,
    logits: Float[Array, "S T"],
    ids: Int[Array, " S"],
    emittable: Bool[Array, " S"],
    luck: Float[Array, "T 2"],
    *,
    look: Look,
) -> Seen:
    place = jax.lax.broadcasted_iota(jnp.int32, logits.shape, 0)

    def first_of(values: Float[Array, "S T"], value: Float[Array, " T"]) -> Int[Array, " T"]:
        return jnp.min(jnp.where(values == value[None, :], place, logits.shape[0]), axis=0)

    highest = jnp.max(logits, axis=0)
    peak = jnp.maximum(seen.peak, highest)
    away = (logits - peak[None, :]) * look.scale
    mass = jnp.exp(away)
    fallen = jnp.maximum((seen.peak - peak) * look.scale, LEAST)
    shrink = jnp.exp(fallen)

    def among_emittable() -> tuple[Float[Array, " T"], Int[Array, " T"]]:
        writable = jnp.where(emittable[:, None], logits, LEAST)
        value = jnp.max(writable, axis=0)
        return value, first_of(writable, value)

    best_writable, best_place = jax.lax.cond(
        look.all_emittable, lambda: (highest, first_of(logits, highest)), among_emittable
    )
    better = best_writable > seen.emittable

    def with_draw() -> tuple[Float[Array, " T"], Int[Array, " T"], Float[Array, " T"]]:
        weights = jnp.where(emittable[:, None], jnp.exp((logits - best_writable[None, :]) * look.scale), 0.0)
        places = _draw(weights, luck[:, 0])
        # Gumbel-max over chunks: each wins with the probability of its mass.
        noise = -jnp.log(-jnp.log(jnp.maximum(luck[:, 1], _TINY)))
        rank = jnp.log(jnp.sum(weights, axis=0)) + best_writable * look.scale + noise
        wins = rank > seen.drawn_rank
        logit = jnp.take_along_axis(logits, places[None, :], axis=0)[0]
        return (
            jnp.where(wins, logit, seen.drawn),
            jnp.where(wins, ids[places], seen.drawn_id),
            jnp.where(wins, rank, seen.drawn_rank),
        )

    drawn, drawn_id, drawn_rank = jax.lax.cond(
        look.drawing, with_draw, lambda: (seen.drawn, seen.drawn_id, seen.drawn_rank)
    )
    after = seen._replace(
        peak=peak,
        mass=seen.mass * shrink + jnp.sum(mass, axis=0),
        emittable=jnp.where(better, best_writable, seen.emittable),
        emittable_id=jnp.where(better, ids[best_place], seen.emittable_id),
        drawn=drawn,
        drawn_id=drawn_id,
        drawn_rank=drawn_rank,
    )
    if seen.weighted is not None:
        # The condition changes no number. XLA's CPU backend takes a bare sum of products for a small matrix product,
        # which takes it ten times as long.
        products = jnp.where(mass > 0, mass * away, 0.0)
        after = after._replace(weighted=(seen.weighted + seen.mass * fallen) * shrink + jnp.sum(products, axis=0))
    if seen.second is not None:
        others = jnp.where(place == first_of(logits, highest)[None, :], LEAST, logits)
        second = jnp.where(highest > seen.peak, jnp.max(others, axis=0), seen.second)
        after = after._replace(second=jnp.maximum(jnp.minimum(seen.peak, highest), second))
    if seen.best is not None:
        keep = functools.partial(_keep_best, logits=logits, ids=ids)
        after = after._replace(best=jax.lax.cond(look.keeping, keep, lambda best: best, seen.best))
    return after


def _keep_best(best: BestTokens, *, logits: Float[Array, "S T"], ids: Int[Array, " S"]) -> BestTokens:
    width = best.values.shape[1]
    values = jnp.concatenate([best.values, logits.T], axis=1)
    all_ids = jnp.concatenate([best.ids, jnp.broadcast_to(ids[None, :], logits.T.shape)], axis=1)
    values, places = jax.lax.top_k(values, width)
    return BestTokens(values, jnp.take_along_axis(all_ids, places, axis=1))


def _draw(weights: Float[Array, "S T"], luck: Float[Array, " T"]) -> Int[Array, " T"]:
    """A place drawn by weight: its group of tokens first, then the token, by what the first draw left of the luck."""
    S, T = weights.shape
    groups = jnp.pad(weights.T, ((0, 0), (0, -S % _GROUP))).reshape(T, -1, _GROUP)
    totals = jnp.sum(groups, axis=2)
    chosen = draw_by_weight(totals, luck)[:, None]
    ends = jnp.cumsum(totals, axis=1)
    total = jnp.maximum(jnp.take_along_axis(totals, chosen, axis=1)[:, 0], _TINY)
    left = luck * ends[:, -1] - (jnp.take_along_axis(ends, chosen, axis=1)[:, 0] - total)
    within = jnp.take_along_axis(groups, chosen[:, :, None], axis=1)[:, 0]
    return chosen[:, 0] * _GROUP + draw_by_weight(within, jnp.clip(left / total, 0.0, 1.0))


def merge(parts: Seen, scale: Float[Array, ""]) -> Seen:
    """The parts together; ids rise from part to part. Of the best tokens, see `merge_best`."""
    peak = jnp.max(parts.peak, axis=0)
    away = jnp.maximum((parts.peak - peak[None, :]) * scale, LEAST)
    shrink = jnp.exp(away)

    def of_best(values: Array, by: Array) -> Array:
        return jnp.take_along_axis(values, jnp.argmax(by, axis=0)[None, :], axis=0)[0]

    weighted, second = parts.weighted, parts.second
    if weighted is not None:
        weighted = jnp.sum((weighted + parts.mass * away) * shrink, axis=0)
    if second is not None:
        highest = jnp.arange(len(second))[:, None] == jnp.argmax(parts.peak, axis=0)[None, :]
        second = jnp.max(jnp.where(highest, second, parts.peak), axis=0)
    return Seen(
        peak=peak,
        mass=jnp.sum(parts.mass * shrink, axis=0),
        emittable=jnp.max(parts.emittable, axis=0),
        emittable_id=of_best(parts.emittable_id, parts.emittable),
        drawn=of_best(parts.drawn, parts.drawn_rank),
        drawn_id=of_best(parts.drawn_id, parts.drawn_rank),
        drawn_rank=jnp.max(parts.drawn_rank, axis=0),
        weighted=weighted,
        second=second,
    )


def merge_best(parts: BestTokens) -> BestTokens:
    """The best tokens of all parts."""
    _, N, width = parts.values.shape
    values, ids = (jnp.swapaxes(leaf, 0, 1).reshape(N, -1) for leaf in parts)
    values, places = jax.lax.top_k(values, width)
    return BestTokens(values, jnp.take_along_axis(ids, places, axis=1))
