"""Decoding batches of prompts: shapes fixed, compiled ahead, timed."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from coda_eval.config import SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.samplers.acceptance import AcceptanceKnobs
from coda_eval.samplers.algorithms import ALGORITHMS, QUIRKS, cache_of, grid_of, order_of, resolve_algorithm
from coda_eval.samplers.caching import WindowCache
from coda_eval.samplers.canvas import Canvas, build_canvas
from coda_eval.samplers.denoise import (
    Knobs,
    Plan,
    Schedule,
    State,
    denoise,
    initial_state,
    unfinished,
)
from coda_eval.samplers.head import Tiling
from coda_eval.samplers.language_model import LanguageModel
from coda_eval.samplers.replicas import replicas_on
from coda_eval.samplers.schedule import transfer_ratios
from coda_eval.samplers.tokens import TokenKnobs, Vocabulary

_LEAST_BATCH = 8
"""A batch is halved when half of its rows are done, twice at most and down to this: each size is compiled, and a
forward of fewer rows costs about the same."""
_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One completion to make. Its randomness is decided by the seed of the run, `problem` and `sample` alone."""

    prompt: Sequence[int]
    problem: str
    sample: int
    suffix: Sequence[int] = ()
    """What stands behind the canvas (infilling)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the model wrote."""

    tokens: tuple[int, ...]
    """Those before the first stop token; where tokens were filled in between given ones, all that were."""
    committed_at: tuple[int, ...]
    """The step at which each of them was committed."""
    stop_reason: str
    """`stop_token`, or `length` where the canvas ends without one."""
    forwards: int
    """Over all columns, until this row was done; refreshes of the cache included."""
    refreshes: int
    """Those of them that filled the cache."""
    window_forwards: int
    """Over some columns, against the cache."""
    committed: int
    """All tokens that were committed, those behind the first stop token included."""


class Decoded(NamedTuple):
    """A batch of completions."""

    completions: list[Completion]
    seconds: float
    """Wall time on the device; compilation excluded."""


class Sampler:
    """Decodes batches of one shape, so that one compilation serves them all.

    A short last batch is filled up with copies of its first row. Rows do not influence each other. When half of a batch
    is done the rest goes on in a batch of half the size, twice at most.
    """

    def __init__(
        self,
        model: LanguageModel,
        config: SamplerConfig,
        *,
        width: int,
        suffix_width: int = 0,
        holes: int = 0,
        mesh: Mesh | None = None,
    ) -> None:
        """Checks the configuration against the model; nothing is compiled yet.

        Args:
            model: what to decode with.
            config: how; `max_new_tokens` has been decided.
            width: columns for the prompts (`prompt_width`).
            suffix_width: columns for what stands behind the canvas.
            holes: how many masked positions the prompts and suffixes of a row may have.
            mesh: where the model's parameters are; None is one device.

        Raises:
            ConfigError: the model cannot do what the configuration asks.
        """
        assert config.max_new_tokens is not None
        self.algorithm = resolve_algorithm(config, causal=model.causal)
        if model.causal and (suffix_width or holes):
            raise ConfigError("filling in needs a diffusion model: this one is causal and sees nothing to its right")
        infilling = bool(suffix_width or holes)
        cache = cache_of(config, causal=model.causal)
        if isinstance(cache, WindowCache):
            # The edge of the row must not move a window: it would reach farther behind its block.
            width = max(width, cache.look_back + 1)
        grid = grid_of(config, causal=model.causal, width=width, suffix_width=suffix_width, holes=infilling)
        self._canvas_width = config.max_new_tokens if infilling else grid.count * grid.length
        length = width + self._canvas_width + suffix_width
        if length > model.max_positions:
            raise ConfigError(
                f"prompts up to {width} tokens and --max-new-tokens {config.max_new_tokens} make {length} positions, "
                f"the model has {model.max_positions}"
            )
        self._model, self._config, self._width = model, config, width
        self._suffix_width, self._holes = suffix_width, holes
        most_masks = self._canvas_width + holes
        blocks = -(-most_masks // grid.length)
        self.steps = most_masks if config.steps is None else config.steps
        algorithm = ALGORITHMS[self.algorithm]
        replicas = replicas_on(mesh)
        if config.batch_size % replicas.count:
            raise ConfigError(
                f"--batch-size is {config.batch_size}, and --mesh shares it out among data={replicas.count} groups of "
                f"devices; it must be a multiple of {replicas.count}"
            )
        capacity = min(most_masks, grid.length) if config.join_at is None else most_masks
        self._plan = Plan(
            rule=algorithm.rule,
            confidence=algorithm.confidence,
            order=order_of(config),
            grid=grid,
            cache=cache,
            text_end=width + config.max_new_tokens,
            capacity=capacity,
            tiling=Tiling.for_backend(
                replicas.platform, config.batch_size // replicas.count * capacity, one_device=mesh is None
            ),
            by_chance=algorithm.by_chance,
            stops_last=config.end_of_text == "last",
            quirks=QUIRKS[config.reference],
            replicas=replicas,
        )
        self._knobs = knobs_for(config, model, steps=self.steps, blocks=blocks)
        self._compiled: set[int] = set()

    def compile(self) -> float:
        """Compiles the loop, and returns the seconds that it took; later calls of `decode` find it compiled."""
        return self._compile(self._config.batch_size)

    def lower(self) -> jax.stages.Lowered:
        """The loop on a full batch, for the compiler of the mesh's devices, which need not be here.

        The model's parameters may be shapes.
        """
        size, replicas = self._config.batch_size, self._plan.replicas
        canvas = self._canvas([Request(prompt=[self._model.pad_id], problem="", sample=0)] * size)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), size))
        state = jax.eval_shape(lambda: initial_state(self._model, canvas, self._plan))
        enough = jax.ShapeDtypeStruct((), jnp.int32)

        def shapes(tree: Any, layout: Any) -> Any:
            return jax.tree.map(
                lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree, layout
            )

        return denoise.lower(
            self._model,
            self._model.parameters,
            *(shapes(rows, replicas.layout(rows)) for rows in (state, canvas, keys)),
            *(shapes(values, replicas.shared_layout(values)) for values in (self._knobs, enough)),
            plan=self._plan,
        )

    def decode(self, requests: Sequence[Request]) -> Decoded:
        """Completions for at most `batch_size` requests, in their order.

        Raises:
            ConfigError: a prompt is longer or has more masked positions than the sampler was made for.
        """
        padded = [*requests, *[requests[0]] * (self._config.batch_size - len(requests))]
        canvas = self._canvas(padded)
        started = time.perf_counter()
        rows, compiling = self._decode(canvas, row_keys(self._config.seed, padded))
        seconds = time.perf_counter() - started - compiling
        return Decoded([self._completion(canvas, rows, row) for row in range(len(requests))], seconds)

    def _decode(self, canvas: Canvas, keys: jax.Array) -> tuple[State, float]:
        """The final state of all rows, without the cache, and the seconds spent on compiling smaller batches."""
        size = self._config.batch_size
        least = max(_LEAST_BATCH, size // 4)
        state = initial_state(self._model, canvas, self._plan)
        here = np.arange(size)
        final: State | None = None
        compiling = 0.0
        while True:
            halves = size >= 2 * least and size % (2 * self._plan.replicas.count) == 0
            enough = size // 2 if halves else 0
            compiling += self._compile(size)
            state = self._denoise(state, canvas, keys, enough)
            outcome: State = jax.device_get(state._replace(cache=()))
            final = outcome if final is None else _put(final, here, outcome)
            alive = np.flatnonzero(self._alive(state, canvas))
            if not len(alive):
                return final, compiling
            size //= 2
            # Filled up with rows that are done: they stay as they are.
            done = np.setdiff1d(np.arange(len(here)), alive)
            chosen = np.concatenate([alive, done])[:size]
            here = here[chosen]
            state = _take(state, chosen)
            canvas = Canvas(*(array[chosen] for array in canvas))
            keys = keys[chosen]

    def _alive(self, state: State, canvas: Canvas) -> np.ndarray:
        stop_ids = jnp.asarray(self._model.stop_ids, jnp.int32)
        return np.asarray(unfinished(state, canvas, stop_ids, self._plan))

    def _denoise(self, state: State, canvas: Canvas, keys: jax.Array, enough: int) -> State:
        after: State = denoise(
            self._model,
            self._model.parameters,
            *(jax.device_put(rows, self._plan.replicas.layout(rows)) for rows in (state, canvas, keys)),
            self._knobs,
            jnp.asarray(enough, jnp.int32),
            plan=self._plan,
        )
        return after

    def _compile(self, size: int) -> float:
        if size in self._compiled:
            return 0.0
        self._compiled.add(size)
        started = time.perf_counter()
        request = Request(prompt=[self._model.pad_id], problem="", sample=0)
        canvas = self._canvas([request] * size)
        # Every row is enough: the loop is compiled and ends before its first forward.
        state = initial_state(self._model, canvas, self._plan)
        jax.device_get(self._denoise(state, canvas, row_keys(0, [request] * size), size).step)
        return time.perf_counter() - started

    def _canvas(self, requests: Sequence[Request]) -> Canvas:
        canvas = build_canvas(
            [request.prompt for request in requests],
            width=self._width,
            max_new_tokens=self._canvas_width,
            fill_id=self._model.fill_id,
            pad_id=self._model.pad_id,
            suffixes=[request.suffix for request in requests],
            suffix_width=self._suffix_width,
            holes=not self._model.causal,
            attend_padding=self._config.reference == "coda",
        )
        most = int(canvas.masked.sum(axis=1).max())
        if most > self._canvas_width + self._holes:
            raise ConfigError(
                f"a prompt has {most - self._canvas_width} masked positions, at most {self._holes} are allowed for"
            )
        return canvas

    def _completion(self, canvas: Canvas, rows: State, row: int) -> Completion:
        written = rows.committed_at[row] >= 0
        inside = canvas.masked[row] & (np.arange(written.shape[0]) < self._plan.text_end)
        if not canvas.ending[row].any():
            inside = canvas.masked[row]
        stops = written & inside & canvas.ending[row] & np.isin(rows.tokens[row], self._model.stop_ids)
        end = int(np.argmax(stops)) if stops.any() else len(stops)
        text = np.flatnonzero((written & inside)[:end])
        return Completion(
            tokens=tuple(rows.tokens[row, text].tolist()),
            committed_at=tuple(rows.committed_at[row, text].tolist()),
            stop_reason="stop_token" if stops.any() else "length",
            forwards=int(rows.nfe_full[row]),
            refreshes=int(rows.nfe_refresh[row]),
            window_forwards=int(rows.nfe_window[row]),
            committed=int(written.sum()),
        )


def knobs_for(config: SamplerConfig, model: LanguageModel, *, steps: int, blocks: int) -> Knobs:
    """The traced numbers of a configuration.

    Args:
        config: what a user set.
        model: its vocabulary, and the token that `end_of_text` forbids.
        steps: of the whole canvas; shared out among the blocks, the larger shares first, at least one each.
        blocks: how many there are.
    """
    each = max(steps // blocks, 1)
    longer = max(steps - each * blocks, 0)
    ids = np.arange(len(model.emittable))
    removed = (ids == model.pad_id) & (config.end_of_text == "forbid")
    return Knobs(
        schedule=Schedule(
            steps=jnp.asarray(each, jnp.int32),
            longer=jnp.asarray(longer, jnp.int32),
            ratios=jnp.asarray(transfer_ratios(each, each + 1 if longer else each)),
        ),
        tokens=TokenKnobs(
            temperature=jnp.asarray(config.temperature, jnp.float32),
            top_p=jnp.asarray(config.top_p, jnp.float32),
            top_k=jnp.asarray(config.top_k, jnp.int32),
        ),
        acceptance=AcceptanceKnobs(
            alg_temp=jnp.asarray(config.alg_temp, jnp.float32),
            threshold=jnp.asarray(1.0 if config.threshold is None else config.threshold, jnp.float32),
            factor=jnp.asarray(0.0 if config.factor is None else config.factor, jnp.float32),
            entropy_bound=jnp.asarray(config.entropy_bound or 0.0, jnp.float32),
        ),
        refresh_every=jnp.asarray(config.refresh_every if config.cache == "every-n" else _NEVER, jnp.int32),
        vocabulary=Vocabulary(
            emittable=jnp.asarray(np.asarray(model.emittable) & ~removed),
            removed=jnp.asarray(removed) if removed.any() else None,
        ),
    )


def _put(batch: State, rows: np.ndarray, some: State) -> State:
    """A batch on the host with other values in some of its rows."""

    def put(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        values = np.array(old)
        values[rows] = new
        return values

    after: State = jax.tree.map(put, batch, some)
    return after


def _take(state: State, rows: np.ndarray) -> State:
    """Some rows of a batch."""
    cache = jax.tree.map(lambda leaf: leaf[:, rows], state.cache)  # behind the axis of layers
    others = {name: part[rows] for name, part in state._asdict().items() if name != "cache"}
    return State(**others, cache=cache)


def row_keys(seed: int, requests: Sequence[Request]) -> jax.Array:
    """A key for each request, from the seed, its problem and its sample."""
    root = jax.random.key(seed)
    problems = jnp.asarray([zlib.crc32(request.problem.encode()) for request in requests], jnp.uint32)
    samples = jnp.asarray([request.sample for request in requests], jnp.uint32)
    return jax.vmap(lambda problem, sample: jax.random.fold_in(jax.random.fold_in(root, problem), sample))(
        problems, samples
    )
