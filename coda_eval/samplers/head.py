"""From hidden states to tokens and confidences, without logits of the whole batch.

The head is applied to a tile of positions and a chunk of the vocabulary at a time, and one pass collects what is
needed: maximum, log-sum-exp, entropy, the best tokens, a draw. Only the positions asked for cost anything, and a
chunk of weights serves every tile before the next one is read. Parts of the vocabulary that devices share are passed
over side by side, and what was collected is put together at the end: logits never leave a device.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from coda_eval.samplers.language_model import Head
from coda_eval.samplers.nucleus import BEST, BestTokens, choose_among_best, draw_by_weight, least_kept
from coda_eval.samplers.replicas import ALONE, Replicas
from coda_eval.samplers.tokens import LEAST, Choice, TokenKnobs, Vocabulary

_TINY = float(np.finfo(np.float32).tiny)
_GROUP = 64  # a draw finds its group of tokens first, then the token
_FEW = 8  # positions whose logits are held all at once, where their best tokens do not hold the nucleus


class Tiling(NamedTuple):
    """How much is worked on at a time; static."""

    positions: int
    tokens: int
    """Of a part of the vocabulary, at most."""
    all_parts: bool = False
    """Of the vocabulary, at the same time; else one after the other."""

    @classmethod
    def for_backend(cls, backend: str, positions: int, *, one_device: bool) -> Tiling:
        """What fits into a CPU's second-level cache, or fills an accelerator's matrix units."""
        on_cpu = backend == "cpu"
        return cls(positions=min(64 if on_cpu else 1024, positions), tokens=2048, all_parts=not (on_cpu and one_device))

    def size(self, part: int) -> int:
        """Tokens of a chunk, where a part has so many."""
        even = -(-part // -(-part // self.tokens))
        multiple = _GROUP if self.tokens % _GROUP == 0 else 1
        return min(-(-even // multiple) * multiple, part)

    def chunks(self, V: int, *, parts: int = 1) -> int:
        """How many there are of a vocabulary of V in so many parts."""
        part = V // parts
        return parts * -(-part // self.size(part))


class _Seen(NamedTuple):
    """What is known of the distribution from what was seen of the vocabulary, or of each part (axis 1)."""

    peak: Float[Array, " N"]
    mass: Float[Array, " N"]
    """The sum of exp(logit - peak)."""
    weighted: Float[Array, " N"]
    """The sum of exp(logit - peak) * (logit - peak)."""
    second: Float[Array, " N"]
    """The second highest logit."""
    emittable: Float[Array, " N"]
    """The highest logit of a token that may be written."""
    emittable_id: Int[Array, " N"]
    drawn: Float[Array, " N"]
    """The logit of a draw among the tokens that may be written."""
    drawn_id: Int[Array, " N"]
    drawn_rank: Float[Array, " N"]
    """Decides between the draws of two chunks."""
    best: BestTokens | None
    """None where it was not asked for."""


def choose_tokens(
    model: Head,
    parameters: Any,
    hidden: Float[Array, "N D"],
    count: Int[Array, ""],
    luck: Float[Array, "N chunks 2"],
    knobs: TokenKnobs,
    vocabulary: Vocabulary,
    *,
    tiling: Tiling,
    replicas: Replicas = ALONE,
) -> Choice:
    """Temperature, then top-p, then top-k, then a draw (CoDA and Dream, generation_utils.py:61-100).

    Args:
        model: for its head.
        parameters: its weights.
        hidden: aligned hidden states, `N` a multiple of `tiling.positions`.
        count: only the first so many are worked on; what comes out of the others means nothing.
        luck: uniform in [0, 1), for the draws; `chunks` as `Tiling.chunks` says.
        knobs: how to shape and draw.
        vocabulary: which tokens may be drawn.
        tiling: static.
        replicas: what runs the same at the same time; static.
    """
    V, parts = vocabulary.emittable.shape[0], model.vocabulary_parts
    part, at_once = V // parts, parts if tiling.all_parts else 1
    size = tiling.size(part)
    chunks = tiling.chunks(V, parts=parts) // parts
    tiles = (count + tiling.positions - 1) // tiling.positions
    by_part: Vocabulary = jax.tree.map(lambda flags: flags.reshape(parts, part), vocabulary)
    luck = luck.reshape(-1, parts, chunks, 2)

    def see_chunk(seen: _Seen, turn: Int[Array, ""]) -> tuple[_Seen, None]:
        first_part, chunk = turn // chunks * at_once, turn % chunks
        first = jnp.minimum(chunk * size, part - size)
        column = first + jnp.arange(size, dtype=jnp.int32)
        ids = (first_part + jnp.arange(at_once, dtype=jnp.int32))[:, None] * part + column[None, :]
        here = jax.tree.map(lambda flags: jax.lax.dynamic_slice(flags, (first_part, first), (at_once, size)), by_part)
        # The last chunk reaches back over tokens that were seen already.
        absent = (column < chunk * size)[None, :] | here.removed
        emittable = ~absent & here.emittable

        def see_tile(tile: Int[Array, ""], seen: _Seen) -> _Seen:
            at = tile * tiling.positions
            before, rows, its_luck = _rows((seen, hidden, luck), at, tiling.positions)
            its_luck = jax.lax.dynamic_slice_in_dim(its_luck[:, :, chunk], first_part, at_once, 1)
            logits = model.head_chunk(parameters, rows, first_part, first, parts=at_once, size=size) / knobs.divisor
            logits = jnp.where(absent[None, :, :], LEAST, logits)
            drawing = (knobs.temperature > 0) & ~knobs.restricted
            after = _see_parts(before, logits, ids, emittable, its_luck, drawing=drawing, keeping=knobs.restricted)
            written: _Seen = _write(seen, after, at)
            return written

        return jax.lax.fori_loop(0, tiles, see_tile, seen), None

    turns = jnp.arange(parts // at_once * chunks, dtype=jnp.int32)
    shape = (hidden.shape[0], at_once, min(BEST, part))
    nothing = _nothing_seen(*shape[:2])._replace(best=BestTokens(jnp.full(shape, LEAST), jnp.zeros(shape, jnp.int32)))
    collected, _ = jax.lax.scan(see_chunk, nothing, turns)
    seen = _merge(replicas.gather(collected._replace(best=None)))

    def restricted() -> Choice:
        log_mass = seen.peak + jnp.log(seen.mass)
        best = _merge_best(replicas.gather(collected.best))
        short = choose_among_best(best, log_mass, seen.emittable_id, luck[:, 0, 0, 0], knobs, vocabulary.emittable)
        few = min(_FEW, hidden.shape[0])

        def look_again(turn: Int[Array, ""], choice: Choice) -> Choice:
            at = turn * few
            here, complete, rows, its_luck, fallback = _rows(
                (choice, short.complete, hidden, luck, seen.emittable_id), at, few
            )

            def over_all() -> Choice:
                start = jnp.zeros((), jnp.int32)
                logits = model.head_chunk(parameters, rows, start, start, parts=parts, size=part) / knobs.divisor
                logits = jnp.where(by_part.removed[None, :, :], LEAST, logits)
                found = _choose_among_all(logits, fallback, its_luck[:, :, 0], knobs, by_part.emittable)
                # Position by position: what others need changes no draw.
                chosen: Choice = jax.tree.map(lambda old, new: jnp.where(complete, old, new), here, found)
                return chosen

            needed = replicas.most(jnp.any(~complete).astype(jnp.int32)) > 0
            after: Choice = _write(choice, jax.lax.cond(needed, over_all, lambda: here), at)
            return after

        # Positions behind `count` were not seen.
        worked_on = jnp.arange(hidden.shape[0]) < count
        short = short._replace(complete=short.complete | ~worked_on)
        completed: Choice = jax.lax.fori_loop(0, (count + few - 1) // few, look_again, short.choice)
        return completed

    choice: Choice = jax.lax.cond(knobs.restricted, restricted, lambda: _choose_unrestricted(seen, knobs))
    return choice


def _choose_among_all(
    logits: Float[Array, "N parts part"],
    fallback: Int[Array, " N"],
    luck: Float[Array, "N parts 2"],
    knobs: TokenKnobs,
    emittable: Bool[Array, "parts part"],
) -> Choice:
    """The choice from logits after temperature, however many tokens are kept."""
    kept = logits >= least_kept(logits, knobs)[:, None, None]
    ids = jnp.arange(emittable.size, dtype=jnp.int32).reshape(emittable.shape)
    seen = _see_parts(
        _nothing_seen(logits.shape[0], logits.shape[1]),
        jnp.where(kept, logits, LEAST),
        ids,
        emittable,
        luck,
        drawing=knobs.temperature > 0,
    )
    choice = _choose_unrestricted(_merge(seen), knobs)
    possible = choice.log_probability > LEAST / 2
    return choice._replace(
        tokens=jnp.where(possible, choice.tokens, fallback),
        log_probability=jnp.where(possible, choice.log_probability, -jnp.inf),
    )


def _choose_unrestricted(seen: _Seen, knobs: TokenKnobs) -> Choice:
    """The entropy lacks the 1e-10 that the references add within its logarithm: at most 1e-10 V, some 1.5e-5."""
    log_mass = seen.peak + jnp.log(seen.mass)
    greedy = knobs.temperature <= 0
    return Choice(
        tokens=jnp.where(greedy, seen.emittable_id, seen.drawn_id),
        log_probability=jnp.where(greedy, seen.emittable, seen.drawn) - log_mass,
        negative_entropy=seen.weighted / seen.mass - jnp.log(seen.mass),
        margin=jnp.exp(seen.peak - log_mass) - jnp.exp(seen.second - log_mass),
    )


def _nothing_seen(N: int, parts: int) -> _Seen:
    shape = (N, parts)
    zeros, least, no_id = jnp.zeros(shape), jnp.full(shape, LEAST), jnp.zeros(shape, jnp.int32)
    return _Seen(least, zeros, zeros, least, least, no_id, least, no_id, jnp.full(shape, -jnp.inf), None)


def _merge(parts: _Seen) -> _Seen:
    """The parts together; ids rise from part to part."""
    if parts.peak.shape[1] == 1:
        merged: _Seen = jax.tree.map(lambda values: values[:, 0], parts)
        return merged
    peak = jnp.max(parts.peak, axis=1)
    away = parts.peak - peak[:, None]
    shrink = jnp.exp(away)
    highest = jnp.arange(parts.peak.shape[1])[None, :] == jnp.argmax(parts.peak, axis=1)[:, None]

    def of_best(values: Array, by: Array) -> Array:
        return jnp.take_along_axis(values, jnp.argmax(by, axis=1)[:, None], axis=1)[:, 0]

    return _Seen(
        peak=peak,
        mass=jnp.sum(parts.mass * shrink, axis=1),
        weighted=jnp.sum((parts.weighted + parts.mass * away) * shrink, axis=1),
        second=jnp.max(jnp.where(highest, parts.second, parts.peak), axis=1),
        emittable=jnp.max(parts.emittable, axis=1),
        emittable_id=of_best(parts.emittable_id, parts.emittable),
        drawn=of_best(parts.drawn, parts.drawn_rank),
        drawn_id=of_best(parts.drawn_id, parts.drawn_rank),
        drawn_rank=jnp.max(parts.drawn_rank, axis=1),
        best=None,
    )


def _merge_best(parts: BestTokens) -> BestTokens:
    N, _, width = parts.values.shape
    values, places = jax.lax.top_k(parts.values.reshape(N, -1), width)
    return BestTokens(values, jnp.take_along_axis(parts.ids.reshape(N, -1), places, axis=1))


def _see_parts(
    seen: _Seen,
    logits: Float[Array, "T parts S"],
    ids: Int[Array, "parts S"],
    emittable: Bool[Array, "parts S"],
    luck: Float[Array, "T parts 2"],
    *,
    drawing: Bool[Array, ""],
    keeping: Bool[Array, ""] | None = None,
) -> _Seen:
    """Takes a chunk of every part into account.

    Args:
        seen: of each part.
        logits: `LEAST` where there is nothing.
        ids: rising within a part, and higher than those seen before.
        emittable: which may be written.
        luck: two uniform numbers a chunk and position.
        drawing: a token is drawn.
        keeping: the best tokens are kept; None where `seen` has no place for them.
    """
    see = functools.partial(_see, drawing=drawing, keeping=keeping)
    after: _Seen = jax.vmap(see, in_axes=(1, 1, 0, 0, 1), out_axes=1)(seen, logits, ids, emittable, luck)
    return after


def _see(
    seen: _Seen,
    logits: Float[Array, "T S"],
    ids: Int[Array, " S"],
    emittable: Bool[Array, " S"],
    luck: Float[Array, "T 2"],
    *,
    drawing: Bool[Array, ""],
    keeping: Bool[Array, ""] | None,
) -> _Seen:
    column = jax.lax.broadcasted_iota(jnp.int32, logits.shape, 1)
    highest = jnp.max(logits, axis=1)
    first_highest = jnp.min(jnp.where(logits == highest[:, None], column, logits.shape[1]), axis=1)
    runner_up = jnp.max(jnp.where(column == first_highest[:, None], LEAST, logits), axis=1)
    peak = jnp.maximum(seen.peak, highest)
    away = logits - peak[:, None]
    mass = jnp.exp(away)
    shrink = jnp.exp(seen.peak - peak)

    writable = jnp.where(emittable[None, :], logits, LEAST)
    best_writable = jnp.max(writable, axis=1)
    best_column = jnp.min(jnp.where(writable == best_writable[:, None], column, logits.shape[1]), axis=1)
    better = best_writable > seen.emittable

    def with_draw() -> tuple[Float[Array, " T"], Int[Array, " T"], Float[Array, " T"]]:
        weights = jnp.where(emittable[None, :], jnp.exp(logits - best_writable[:, None]), 0.0)
        places = _draw(weights, luck[:, 0])
        # Gumbel-max over chunks: each wins with the probability of its mass.
        noise = -jnp.log(-jnp.log(jnp.maximum(luck[:, 1], _TINY)))
        rank = jnp.log(jnp.sum(weights, axis=1)) + best_writable + noise
        wins = rank > seen.drawn_rank
        logit = jnp.take_along_axis(logits, places[:, None], axis=1)[:, 0]
        return (
            jnp.where(wins, logit, seen.drawn),
            jnp.where(wins, ids[places], seen.drawn_id),
            jnp.where(wins, rank, seen.drawn_rank),
        )

    def with_best(best: BestTokens) -> BestTokens:
        width = best.values.shape[1]
        values = jnp.concatenate([best.values, logits], axis=1)
        all_ids = jnp.concatenate([best.ids, jnp.broadcast_to(ids[None, :], logits.shape)], axis=1)
        values, places = jax.lax.top_k(values, width)
        return BestTokens(values, jnp.take_along_axis(all_ids, places, axis=1))

    drawn, drawn_id, drawn_rank = jax.lax.cond(drawing, with_draw, lambda: (seen.drawn, seen.drawn_id, seen.drawn_rank))
    return _Seen(
        peak=peak,
        mass=seen.mass * shrink + jnp.sum(mass, axis=1),
        weighted=(seen.weighted + seen.mass * (seen.peak - peak)) * shrink + jnp.sum(mass * away, axis=1),
        second=jnp.maximum(jnp.minimum(seen.peak, highest), jnp.where(highest > seen.peak, runner_up, seen.second)),
        emittable=jnp.where(better, best_writable, seen.emittable),
        emittable_id=jnp.where(better, ids[best_column], seen.emittable_id),
        drawn=drawn,
        drawn_id=drawn_id,
        drawn_rank=drawn_rank,
        best=None
        if seen.best is None or keeping is None
        else jax.lax.cond(keeping, with_best, lambda best: best, seen.best),
    )


def _draw(weights: Float[Array, "T S"], luck: Float[Array, " T"]) -> Int[Array, " T"]:
    """A place drawn by weight: its group of tokens first, then the token, by what the first draw left of the luck."""
    T, S = weights.shape
    group = _GROUP if S % _GROUP == 0 else S
    groups = weights.reshape(T, S // group, group)
    totals = jnp.sum(groups, axis=2)
    chosen = draw_by_weight(totals, luck)[:, None]
    ends = jnp.cumsum(totals, axis=1)
    total = jnp.maximum(jnp.take_along_axis(totals, chosen, axis=1)[:, 0], _TINY)
    left = luck * ends[:, -1] - (jnp.take_along_axis(ends, chosen, axis=1)[:, 0] - total)
    within = jnp.take_along_axis(groups, chosen[:, :, None], axis=1)[:, 0]
    return chosen[:, 0] * group + draw_by_weight(within, jnp.clip(left / total, 0.0, 1.0))


def _rows(arrays: PyTree[Array], start: Int[Array, ""], size: int) -> Any:
    return jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, start, size), arrays)


def _write(arrays: Any, rows: Any, start: Int[Array, ""]) -> Any:
    return jax.tree.map(lambda old, new: jax.lax.dynamic_update_slice_in_dim(old, new, start, 0), arrays, rows)
