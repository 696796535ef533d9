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
from jaxtyping import Array, Bool, Float, Int, PyTree

from coda_eval.samplers.language_model import Head
from coda_eval.samplers.nucleus import BEST, choose_among_best, least_kept
from coda_eval.samplers.replicas import ALONE, Replicas
from coda_eval.samplers.seen import Look, Seen, merge, merge_best, nothing_seen, see
from coda_eval.samplers.tokens import LEAST, Choice, TokenKnobs, Vocabulary

_FEW = 8  # positions whose logits are held all at once, where their best tokens do not hold the nucleus


class Tiling(NamedTuple):
    """How much is worked on at a time; static."""

    positions: int
    tokens: int
    """Of a part of the vocabulary, at most."""
    multiple: int = 1
    """Of tokens, for the sake of a device's memory layout."""
    all_parts: bool = False
    """Of the vocabulary, at the same time; else one after the other."""
    together: int = 1
    """Tiles that are worked on as one where so many are left: less of a CPU's time goes into handing out the work."""

    @classmethod
    def for_backend(cls, backend: str, positions: int, *, one_device: bool) -> Tiling:
        """What fits into a CPU's second-level cache, or fills an accelerator's matrix units."""
        if backend == "cpu":
            return cls(positions=min(32, positions), tokens=2400, all_parts=not one_device, together=4)
        return cls(positions=min(1024, positions), tokens=2048, multiple=64, all_parts=True)

    def size(self, part: int) -> int:
        """Tokens of a chunk: chunks of one size make up the part, or else the last one reaches back."""
        fewest = -(-part // self.tokens)
        for count in range(fewest, 2 * fewest):
            if part % (count * self.multiple) == 0:
                return part // count
        return min(-(-part // (fewest * self.multiple)) * self.multiple, part)

    def chunks(self, V: int, *, parts: int = 1) -> int:
        """How many there are of a vocabulary of V in so many parts."""
        part = V // parts
        return parts * -(-part // self.size(part))


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
    entropy: bool = True,
    margin: bool = True,
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
        entropy: whether it is asked for; static.
        margin: likewise.
        replicas: what runs the same at the same time; static.
    """
    V, parts = vocabulary.emittable.shape[0], model.vocabulary_parts
    part, at_once = V // parts, parts if tiling.all_parts else 1
    size = tiling.size(part)
    chunks = tiling.chunks(V, parts=parts) // parts
    tiles = (count + tiling.positions - 1) // tiling.positions
    by_part: Vocabulary = jax.tree.map(lambda flags: flags.reshape(parts, part), vocabulary)
    luck = jnp.transpose(luck.reshape(-1, parts, chunks, 2), (1, 2, 0, 3))

    def see_chunk(seen: Seen, turn: Int[Array, ""]) -> tuple[Seen, None]:
        first_part, chunk = turn // chunks * at_once, turn % chunks
        first = jnp.minimum(chunk * size, part - size)
        column = first + jnp.arange(size, dtype=jnp.int32)
        ids = (first_part + jnp.arange(at_once, dtype=jnp.int32))[:, None] * part + column[None, :]
        here = jax.tree.map(lambda flags: jax.lax.dynamic_slice(flags, (first_part, first), (at_once, size)), by_part)
        reaching_back = (column < chunk * size)[None, :]
        emittable = ~reaching_back & here.emittable
        look = Look(knobs.scale, (knobs.temperature > 0) & ~knobs.restricted, knobs.restricted, jnp.all(emittable))
        its_luck = jax.lax.dynamic_slice_in_dim(luck[:, chunk], first_part, at_once)

        def see_tiles(turn: Int[Array, ""], seen: Seen, *, first_tile: Int[Array, ""] | int, together: int) -> Seen:
            at, width = (first_tile + turn * together) * tiling.positions, together * tiling.positions
            before, luck = _slice((seen, its_luck), at, width, axis=1)
            rows = _slice(hidden, at, width, axis=0)
            logits = model.head_chunk(parameters, rows, first_part, first, parts=at_once, size=size)
            if part % size:
                logits = jnp.where(reaching_back[:, :, None], LEAST, logits)
            if here.removed is not None:
                logits = jnp.where(here.removed[:, :, None], LEAST, logits)
            written: Seen = _write(seen, see(before, logits, ids, emittable, luck, look), at, axis=1)
            return written

        done: Int[Array, ""] | int = 0
        for together in sorted({1, min(tiling.together, hidden.shape[0] // tiling.positions)}, reverse=True):
            turns = (tiles - done) // together
            seen = jax.lax.fori_loop(0, turns, functools.partial(see_tiles, first_tile=done, together=together), seen)
            done = done + turns * together
        return seen, None

    turns = jnp.arange(parts // at_once * chunks, dtype=jnp.int32)
    nothing = nothing_seen(at_once, hidden.shape[0], entropy=entropy, second=margin, best=min(BEST, part))
    collected, _ = jax.lax.scan(see_chunk, nothing, turns)
    seen = merge(replicas.gather(collected._replace(best=None)), knobs.scale)

    def restricted() -> Choice:
        assert collected.best is not None
        log_mass = seen.peak * knobs.scale + jnp.log(seen.mass)
        best = merge_best(replicas.gather(collected.best))
        best = best._replace(values=best.values * knobs.scale)
        short = choose_among_best(best, log_mass, seen.emittable_id, luck[0, 0, :, 0], knobs, vocabulary.emittable)
        few = min(_FEW, hidden.shape[0])

        def look_again(turn: Int[Array, ""], choice: Choice) -> Choice:
            at = turn * few
            here, complete, rows, fallback = _slice(
                (choice, short.complete, hidden, seen.emittable_id), at, few, axis=0
            )

            def over_all() -> Choice:
                start = jnp.zeros((), jnp.int32)
                logits = model.head_chunk(parameters, rows, start, start, parts=parts, size=part) * knobs.scale
                if by_part.removed is not None:
                    logits = jnp.where(by_part.removed[:, :, None], LEAST, logits)
                its_luck = _slice(luck[:, 0], at, few, axis=1)
                found = _choose_among_all(logits, fallback, its_luck, knobs, by_part.emittable)
                # Position by position: what others need changes no draw.
                chosen: Choice = jax.tree.map(lambda old, new: jnp.where(complete, old, new), here, found)
                return chosen

            needed = replicas.most(jnp.any(~complete).astype(jnp.int32)) > 0
            after: Choice = _write(choice, jax.lax.cond(needed, over_all, lambda: here), at, axis=0)
            return after

        # Positions behind `count` were not seen.
        worked_on = jnp.arange(hidden.shape[0]) < count
        short = short._replace(complete=short.complete | ~worked_on)
        completed: Choice = jax.lax.fori_loop(0, (count + few - 1) // few, look_again, short.choice)
        return completed

    choice: Choice = jax.lax.cond(
        knobs.restricted, restricted, lambda: _choose_unrestricted(seen, knobs.scale, knobs.temperature)
    )
    return choice


def _choose_among_all(
    logits: Float[Array, "parts part N"],
    fallback: Int[Array, " N"],
    luck: Float[Array, "parts N 2"],
    knobs: TokenKnobs,
    emittable: Bool[Array, "parts part"],
) -> Choice:
    """The choice from logits after temperature, however many tokens are kept."""
    kept = logits >= least_kept(logits, knobs)[None, None, :]
    ids = jnp.arange(emittable.size, dtype=jnp.int32).reshape(emittable.shape)
    one, never = jnp.ones(()), jnp.zeros((), bool)
    seen = see(
        nothing_seen(logits.shape[0], logits.shape[2], entropy=True, second=True, best=None),
        jnp.where(kept, logits, LEAST),
        ids,
        emittable,
        luck,
        Look(one, drawing=knobs.temperature > 0, keeping=never, all_emittable=never),
    )
    choice = _choose_unrestricted(merge(seen, one), one, knobs.temperature)
    possible = choice.log_probability > LEAST / 2
    return choice._replace(
        tokens=jnp.where(possible, choice.tokens, fallback),
        log_probability=jnp.where(possible, choice.log_probability, -jnp.inf),
    )


def _choose_unrestricted(seen: Seen, scale: Float[Array, ""], temperature: Float[Array, ""]) -> Choice:
    """The entropy lacks the 1e-10 that the references add within its logarithm: at most 1e-10 V, some 1.5e-5."""
    log_mass = jnp.log(seen.mass)
    greedy = temperature <= 0
    unknown = jnp.full_like(seen.mass, jnp.nan)

    def log_probability(logit: Float[Array, " N"]) -> Float[Array, " N"]:
        return (logit - seen.peak) * scale - log_mass

    return Choice(
        tokens=jnp.where(greedy, seen.emittable_id, seen.drawn_id),
        log_probability=log_probability(jnp.where(greedy, seen.emittable, seen.drawn)),
        negative_entropy=unknown if seen.weighted is None else seen.weighted / seen.mass - log_mass,
        margin=unknown if seen.second is None else jnp.exp(-log_mass) - jnp.exp(log_probability(seen.second)),
    )


def _slice(arrays: PyTree[Array], start: Int[Array, ""], size: int, *, axis: int) -> Any:
    return jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, start, size, axis), arrays)


def _write(arrays: Any, part: Any, start: Int[Array, ""], *, axis: int) -> Any:
    return jax.tree.map(lambda old, new: jax.lax.dynamic_update_slice_in_dim(old, new, start, axis), arrays, part)
