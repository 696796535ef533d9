"""The loop: proposes tokens where a row is being filled, commits some, until the text of every row is final.

It runs on the device (`lax.while_loop`). A token once committed never changes. Every row has its own block, schedule
and cache: what becomes of it does not depend on its batch. With a cache a row that needs a refresh waits until all do,
so that no forward over all columns is made for the sake of one row.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from coda_eval.samplers.acceptance import AcceptanceKnobs, AcceptanceRule, Offer, Pace
from coda_eval.samplers.blocks import BlockOrder, Focus, Grid, first_block
from coda_eval.samplers.caching import Cache, NoCache, WindowCache
from coda_eval.samplers.canvas import Canvas
from coda_eval.samplers.confidence import Confidence
from coda_eval.samplers.head import Tiling, choose_tokens
from coda_eval.samplers.language_model import LanguageModel
from coda_eval.samplers.replicas import ALONE, Replicas
from coda_eval.samplers.tokens import LEAST, TokenKnobs, Vocabulary

NOT_COMMITTED = -1
GIVEN = -2
_STALE = -1


@dataclass(frozen=True)
class Quirks:
    """Faults of reference implementations, reproduced only to compare with them."""

    refresh_commits_first_only: bool = False
    """A refresh commits the first position of the block, whatever the rule (Fast-dLLM, dream/.../
    generation_utils_block.py:456), and windows begin one column late: the reference's way to shift within a window."""
    window_after_refresh: bool = False
    """A window follows a refresh even where nothing is left to commit (Fast-dLLM, llada/generate.py:104-232)."""


@dataclass(frozen=True)
class Plan:
    """What the compiled loop depends on."""

    rule: AcceptanceRule
    confidence: Confidence
    order: BlockOrder
    grid: Grid
    cache: Cache
    text_end: int
    """Column before which the text ends; a canvas rounded up to whole blocks goes on behind it."""
    capacity: int
    """Positions of a row that can be candidates at the same time."""
    tiling: Tiling
    by_chance: bool = False
    """Rule or confidence draw at any temperature."""
    stops_last: bool = False
    """A stop token is committed only where nothing else is on offer (LLaDA's `confidence_eos_eot_inf`)."""
    quirks: Quirks = Quirks()
    replicas: Replicas = ALONE


class Schedule(NamedTuple):
    """Steps of each block: blocks before `longer` have one more than the others."""

    steps: Int[Array, ""]
    longer: Int[Array, ""]
    ratios: Float[Array, "2 capacity"]
    """`transfer_ratios` of `steps` and of one more."""


class Knobs(NamedTuple):
    """The numbers that a sweep varies: traced, so that it compiles once a shape."""

    schedule: Schedule
    tokens: TokenKnobs
    acceptance: AcceptanceKnobs
    refresh_every: Int[Array, ""]
    """Window forwards of a block after which the cache is refreshed."""
    vocabulary: Vocabulary


class State(NamedTuple):
    """A batch while it is decoded; `tokens` and `committed_at` are the whole trajectory."""

    tokens: Int[Array, "B L"]
    """The fill token where nothing was committed."""
    committed_at: Int[Array, "B L"]
    """The step of the row at which each position was committed, `NOT_COMMITTED`, or `GIVEN`."""
    step: Int[Array, " B"]
    """Steps of the row so far, those that committed nothing and were left out included."""
    block: Int[Array, " B"]
    inner: Int[Array, " B"]
    """Steps in the current block."""
    since: Int[Array, " B"]
    """Window forwards since the last refresh, or that one is due."""
    nfe_full: Int[Array, " B"]
    """Forwards over all columns, refreshes included, until the row was done."""
    nfe_refresh: Int[Array, " B"]
    """Those of them that filled the cache."""
    nfe_window: Int[Array, " B"]
    cache: Any

    @property
    def masked(self) -> Bool[Array, "B L"]:
        """Positions to be filled."""
        return self.committed_at == NOT_COMMITTED


class _Forward(NamedTuple):
    """Hidden states at the candidates, in order of row and column."""

    hidden: Float[Array, "N D"]
    cache: Any


@functools.partial(jax.jit, static_argnames=("model", "plan"))
def initial_state(model: LanguageModel, canvas: Canvas, plan: Plan) -> State:
    """Nothing committed, nothing cached."""
    rows = canvas.tokens.shape[0]
    zeros = jnp.zeros((rows,), jnp.int32)
    masked = jnp.asarray(canvas.masked)
    cache: Any = ()
    if isinstance(plan.cache, WindowCache):
        _, shapes = jax.eval_shape(
            model.prefill,
            model.parameters,
            jnp.asarray(canvas.tokens),
            jnp.asarray(canvas.positions),
            jnp.asarray(canvas.key_mask),
        )
        cache = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    state = State(
        tokens=jnp.asarray(canvas.tokens),
        committed_at=jnp.where(masked, jnp.int32(NOT_COMMITTED), jnp.int32(GIVEN)),
        step=zeros,
        block=first_block(masked, zeros, plan.grid),
        inner=zeros,
        since=zeros + _STALE,
        nfe_full=zeros,
        nfe_refresh=zeros,
        nfe_window=zeros,
        cache=cache,
    )
    laid_out: State = jax.tree.map(_lay_out, state, plan.replicas.layout(state))
    return laid_out


@functools.partial(jax.jit, static_argnames=("model", "plan"), donate_argnames=("state",))
def denoise(
    model: LanguageModel,
    parameters: Any,
    state: State,
    canvas: Canvas,
    row_keys: Key[Array, " B"],
    knobs: Knobs,
    enough: Int[Array, ""],
    *,
    plan: Plan,
) -> State:
    """Decodes until at most `enough` rows are unfinished.

    A row is done when no masked position stands before its first stop token: what is committed there is final, so the
    text is what all steps would have given. The randomness of a row is decided by its key and its step.

    Args:
        model: static; compared by identity.
        parameters: the model's weights.
        state: given up; `initial_state`, or what an earlier call left.
        canvas: prompts and canvas.
        row_keys: one a row.
        knobs: what a sweep varies.
        enough: 0 to finish.
        plan: static.
    """
    stop_ids = jnp.asarray(model.stop_ids, jnp.int32)

    def loop(
        parameters: Any, knobs: Knobs, enough: Int[Array, ""], state: State, given: tuple[Canvas, Key[Array, " B"]]
    ) -> State:
        canvas, row_keys = given

        def condition(state: State) -> Bool[Array, ""]:
            count = jnp.sum(unfinished(state, canvas, stop_ids, plan).astype(jnp.int32))
            return plan.replicas.total(count) > enough

        def body(state: State) -> State:
            return advance(model, parameters, state, canvas, row_keys, knobs, stop_ids, plan=plan)

        return jax.lax.while_loop(condition, body, state)

    return plan.replicas.run(loop, (parameters, knobs, enough), state, (canvas, row_keys))


def unfinished(state: State, canvas: Canvas, stop_ids: Int[Array, " stops"], plan: Plan) -> Bool[Array, " B"]:
    """Rows whose text is not final."""
    masked = state.masked
    stops = jnp.isin(state.tokens, stop_ids) & ~masked & jnp.asarray(canvas.ending)
    behind = (jnp.cumsum(stops.astype(jnp.int32), axis=1) > 0) | (
        jnp.asarray(canvas.ending) & (jnp.arange(masked.shape[1])[None, :] >= plan.text_end)
    )
    return jnp.any(masked & ~behind, axis=1) | _lingers(state, plan)


def advance(
    model: LanguageModel,
    parameters: Any,
    state: State,
    canvas: Canvas,
    row_keys: Key[Array, " B"],
    knobs: Knobs,
    stop_ids: Int[Array, " stops"],
    *,
    plan: Plan,
) -> State:
    """One forward, and what it commits."""
    working = unfinished(state, canvas, stop_ids, plan)
    state = _skip_idle_steps(state, working, knobs, plan)
    focus = plan.order.focus(state.masked, state.block, plan.grid)
    by_window = jnp.zeros((), bool)
    active = working
    if isinstance(plan.cache, WindowCache):
        current = working & (state.since != _STALE) & (state.since < knobs.refresh_every)
        by_window = plan.replicas.most(jnp.any(current).astype(jnp.int32)) > 0
        active = jnp.where(by_window, current, working)

    candidates = focus.candidates & active[:, None]
    rows, L = candidates.shape
    size = -(-rows * plan.capacity // plan.tiling.positions) * plan.tiling.positions
    count = plan.replicas.most(jnp.sum(candidates.astype(jnp.int32)))
    (places,) = jnp.nonzero(candidates.reshape(-1), size=size, fill_value=rows * L)
    row, column = jnp.minimum(places // L, rows - 1), places % L
    forward = _forward(model, parameters, state, canvas, focus, active, by_window, row, column, plan)

    chunks = plan.tiling.chunks(knobs.vocabulary.emittable.shape[0], parts=model.vocabulary_parts)
    needs_luck = (knobs.tokens.temperature > 0) | (knobs.acceptance.alg_temp > 0) | plan.by_chance
    luck = jax.lax.cond(
        needs_luck,
        lambda: _uniform(row_keys, state.step, L, 2 * chunks + 2),
        lambda: jnp.zeros((rows, L, 2 * chunks + 2)),
    )
    luck_here = luck[row, column]
    choice = choose_tokens(
        model,
        parameters,
        forward.hidden,
        count,
        luck_here[:, :-2].reshape(size, chunks, 2),
        knobs.tokens,
        knobs.vocabulary,
        tiling=plan.tiling,
        entropy=plan.confidence.entropy,
        margin=plan.confidence.margin,
        replicas=plan.replicas,
    )
    confidence = plan.confidence.of(choice, luck_here[:, -2])
    if plan.stops_last:
        confidence = jnp.where(jnp.isin(choice.tokens, stop_ids), LEAST, confidence)

    def back(values: Array, elsewhere: Any) -> Array:
        flat = jnp.full((rows * L,), elsewhere, values.dtype)
        return flat.at[places].set(values, mode="drop").reshape(rows, L)

    offer = Offer(
        confidence=back(confidence, -jnp.inf),
        candidates=candidates,
        leading=focus.leading & candidates,
        pace=_pace(state, knobs, plan),
        knobs=knobs.acceptance,
        luck=luck[:, :, -1],
    )
    accepted = plan.rule.accept(offer)
    if plan.quirks.refresh_commits_first_only:
        first = jnp.cumsum(candidates.astype(jnp.int32), axis=1) == 1
        accepted = jnp.where(by_window, accepted, candidates & first)
    committed_at = jnp.where(accepted, state.step[:, None], state.committed_at)
    made = active.astype(jnp.int32)
    since = jnp.where(active, jnp.where(by_window, state.since + 1, 0), state.since)
    state = state._replace(
        tokens=jnp.where(accepted, back(choice.tokens, 0), state.tokens),
        committed_at=committed_at,
        step=state.step + made,
        inner=state.inner + made,
        since=since,
        nfe_full=state.nfe_full + jnp.where(by_window, 0, made),
        nfe_refresh=state.nfe_refresh + jnp.where(by_window | isinstance(plan.cache, NoCache), 0, made),
        nfe_window=state.nfe_window + jnp.where(by_window, made, 0),
        cache=forward.cache,
    )
    return _enter_block(state, plan)


def _forward(
    model: LanguageModel,
    parameters: Any,
    state: State,
    canvas: Canvas,
    focus: Focus,
    active: Bool[Array, " B"],
    by_window: Bool[Array, ""],
    row: Int[Array, " N"],
    column: Int[Array, " N"],
    plan: Plan,
) -> _Forward:
    """Over all columns, or over a window of each row."""
    L = state.tokens.shape[1]
    inputs = (parameters, state.tokens, jnp.asarray(canvas.positions), jnp.asarray(canvas.key_mask) & focus.visible)

    if isinstance(plan.cache, NoCache):
        return _Forward(model.hidden(*inputs)[row, column], ())
    cache = plan.cache
    late = 1 if plan.quirks.refresh_commits_first_only else 0
    write_from = jnp.maximum(plan.grid.first + state.block * plan.grid.length - cache.look_back, 0) + late

    def refresh() -> _Forward:
        hidden, filled = model.prefill(*inputs)
        return _Forward(hidden[row, column], filled)

    def windowed(width: int) -> _Forward:
        start = jnp.minimum(write_from, L - width)
        # Rows that wait or are done keep their cache.
        written = jnp.where(active, write_from, L + 1)
        hidden, renewed = model.window(*inputs, state.cache, start, written, width=width)
        return _Forward(hidden[row, jnp.clip(column - start[row], 0, width - 1)], renewed)

    def window() -> _Forward:
        if cache.look_ahead is not None:
            return windowed(min(plan.grid.length + cache.look_back + cache.look_ahead, L) - late)
        # All that stands behind the block: the narrowest of a few compiled widths that reaches so far.
        widths = [width - late for width in _suffix_widths(plan, L)]
        needed = plan.replicas.most(L - jnp.min(jnp.where(active, write_from, L)))
        narrowest = jnp.sum((jnp.asarray(widths) >= needed).astype(jnp.int32)) - 1
        found: _Forward = jax.lax.switch(narrowest, [functools.partial(windowed, width) for width in widths])
        return found

    forward: _Forward = jax.lax.cond(by_window, window, refresh)
    return forward


def _suffix_widths(plan: Plan, L: int) -> list[int]:
    """From all that can stand behind a block's beginning down to an eighth of it, in whole blocks."""
    most = min(plan.grid.count * plan.grid.length + max(L - plan.text_end, 0), L)
    widths = {min(-(-most // (part * plan.grid.length)) * plan.grid.length, L) for part in (1, 2, 4, 8)}
    return sorted(widths, reverse=True)


def _pace(state: State, knobs: Knobs, plan: Plan) -> Pace:
    schedule = knobs.schedule
    longer = (state.block < schedule.longer).astype(jnp.int32)
    steps_left = schedule.steps + longer - state.inner
    ratio = schedule.ratios[longer, jnp.minimum(state.inner, schedule.ratios.shape[1] - 1)]
    in_block = jnp.arange(plan.grid.count)[None, :] == state.block[:, None]
    masks = jnp.sum(plan.grid.split(state.masked, outside=False) & in_block[:, :, None], axis=(1, 2), dtype=jnp.int32)
    return Pace(masks, jnp.maximum(steps_left, 1), jnp.where(steps_left > 1, ratio, 1.0))


def _skip_idle_steps(state: State, working: Bool[Array, " B"], knobs: Knobs, plan: Plan) -> State:
    """Counts the steps that commit nothing without making them."""

    def idle(state: State) -> Bool[Array, " B"]:
        return working & plan.rule.idle(_pace(state, knobs, plan)) & ~_lingers(state, plan)

    def skip(clock: tuple[Int[Array, " B"], Int[Array, " B"]]) -> tuple[Int[Array, " B"], Int[Array, " B"]]:
        step, inner = clock
        skipped = idle(state._replace(inner=inner)).astype(jnp.int32)
        return step + skipped, inner + skipped

    step, inner = jax.lax.while_loop(
        lambda clock: jnp.any(idle(state._replace(inner=clock[1]))), skip, (state.step, state.inner)
    )
    return state._replace(step=step, inner=inner)


def _lingers(state: State, plan: Plan) -> Bool[Array, " B"]:
    """The block is refreshed and must yet see a window."""
    return jnp.full(state.since.shape, plan.quirks.window_after_refresh) & (state.since == 0)


def _enter_block(state: State, plan: Plan) -> State:
    """Moves rows whose block is done to the next one with masks."""
    block = jnp.where(_lingers(state, plan), state.block, first_block(state.masked, state.block, plan.grid))
    entered = block != state.block
    stale = entered if isinstance(plan.cache, WindowCache) and plan.cache.refresh_blocks else jnp.zeros_like(entered)
    return state._replace(
        block=block, inner=jnp.where(entered, 0, state.inner), since=jnp.where(stale, _STALE, state.since)
    )


def _uniform(row_keys: Key[Array, " B"], step: Int[Array, " B"], L: int, count: int) -> Float[Array, "B L count"]:
    """Random numbers of each row and step at each column, whichever columns are candidates."""
    return jax.vmap(lambda key, step: jax.random.uniform(jax.random.fold_in(key, step), (L, count)))(row_keys, step)


def _lay_out(array: Array, sharding: Any) -> Array:
    return array if sharding is None else jax.lax.with_sharding_constraint(array, sharding)
