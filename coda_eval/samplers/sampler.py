"""Decoding batches of prompts: shapes fixed, compiled ahead, timed."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from coda_eval.config import SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.samplers.algorithms import ALGORITHMS
from coda_eval.samplers.canvas import Canvas, build_canvas
from coda_eval.samplers.denoise import NOT_COMMITTED, Generation, Knobs, denoise
from coda_eval.samplers.language_model import LanguageModel
from coda_eval.samplers.schedule import transfer_ratios
from coda_eval.samplers.tokens import TokenKnobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One completion to make. Its randomness is decided by the seed of the run, `problem` and `sample` alone."""

    prompt: Sequence[int]
    problem: str
    sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the model wrote."""

    tokens: tuple[int, ...]
    """Those before the first stop token."""
    stop_reason: str
    """`stop_token`, or `length` where the canvas ends without one."""
    forwards: int
    """Over the full sequence, until this row was done."""


class Decoded(NamedTuple):
    """A batch of completions."""

    completions: list[Completion]
    seconds: float
    """Wall time on the device; compilation excluded."""


def resolve_algorithm(config: SamplerConfig, *, causal: bool) -> str:
    """The algorithm that a model is decoded with.

    Raises:
        ConfigError: the configuration asks for one that the model cannot do.
    """
    name = config.algorithm or ("autoregressive" if causal else "entropy")
    if causal != (name == "autoregressive"):
        kind, wanted = ("causal", "autoregressive") if causal else ("a diffusion model", "a diffusion algorithm")
        raise ConfigError(f"--algorithm is {name}; this model is {kind} and needs {wanted}")
    if causal and config.steps not in (None, config.max_new_tokens):
        raise ConfigError(
            f"--steps is {config.steps}; a causal model takes one step a token, so leave it out (or `max`)"
        )
    if name == "autoregressive" and config.alg_temp > 0:
        raise ConfigError(f"--alg-temp is {config.alg_temp}; a causal model does not choose positions, so leave it out")
    return name


class Sampler:
    """Decodes batches of one shape, so that one compilation serves them all.

    A short last batch is filled up with copies of its first row. Rows do not influence each other.
    """

    def __init__(self, model: LanguageModel, config: SamplerConfig, *, width: int) -> None:
        """Checks the configuration against the model; nothing is compiled yet.

        Args:
            model: what to decode with.
            config: how; `max_new_tokens` has been decided.
            width: columns for the prompts (`prompt_width`).

        Raises:
            ConfigError: the model cannot do what the configuration asks.
        """
        assert config.max_new_tokens is not None
        self._max_new_tokens = config.max_new_tokens
        length = width + config.max_new_tokens
        if length > model.max_positions:
            raise ConfigError(
                f"prompts up to {width} tokens and --max-new-tokens {config.max_new_tokens} make {length} positions, "
                f"the model has {model.max_positions}"
            )
        self.algorithm = resolve_algorithm(config, causal=model.causal)
        self._model = model
        self._config = config
        self._width = width
        self.steps = config.max_new_tokens if config.steps is None else config.steps
        self._knobs = Knobs(
            steps=jnp.asarray(self.steps, jnp.int32),
            ratios=jnp.asarray(transfer_ratios(self.steps)),
            tokens=TokenKnobs(
                temperature=jnp.asarray(config.temperature, jnp.float32),
                top_p=jnp.asarray(config.top_p, jnp.float32),
                top_k=jnp.asarray(config.top_k, jnp.int32),
            ),
            alg_temp=jnp.asarray(config.alg_temp, jnp.float32),
        )

    def compile(self) -> float:
        """Compiles the loop, and returns the seconds that it took; later calls of `decode` find it compiled."""
        request = Request(prompt=[self._model.pad_id], problem="", sample=0)
        started = time.perf_counter()
        canvas = self._canvas([request] * self._config.batch_size)
        # No step and nothing masked: the loop is compiled and ends before its first forward.
        jax.device_get(self._denoise(canvas, [request] * self._config.batch_size, steps=0))
        return time.perf_counter() - started

    def decode(self, requests: Sequence[Request]) -> Decoded:
        """Completions for at most `batch_size` requests, in their order."""
        padded = [*requests, *[requests[0]] * (self._config.batch_size - len(requests))]
        canvas = self._canvas(padded)
        started = time.perf_counter()
        generation = jax.device_get(self._denoise(canvas, padded))
        seconds = time.perf_counter() - started
        return Decoded([self._completion(generation, row) for row in range(len(requests))], seconds)

    def _canvas(self, requests: Sequence[Request]) -> Canvas:
        return build_canvas(
            [request.prompt for request in requests],
            width=self._width,
            max_new_tokens=self._max_new_tokens,
            fill_id=self._model.fill_id,
            pad_id=self._model.pad_id,
        )

    def _denoise(self, canvas: Canvas, requests: Sequence[Request], *, steps: int | None = None) -> Generation:
        knobs = self._knobs if steps is None else self._knobs._replace(steps=jnp.asarray(steps, jnp.int32))
        generation: Generation = denoise(
            self._model,
            self._model.parameters,
            canvas,
            row_keys(self._config.seed, requests),
            knobs,
            algorithm=ALGORITHMS[self.algorithm],
            max_new_tokens=self._max_new_tokens,
        )
        return generation

    def _completion(self, generation: Generation, row: int) -> Completion:
        committed = generation.committed_at[row] != NOT_COMMITTED
        stops = committed & np.isin(generation.tokens[row], self._model.stop_ids)
        end = int(np.argmax(stops)) if stops.any() else len(stops)
        # Steps that left masks (`origin` may) leave nothing to show there.
        tokens = generation.tokens[row, :end][committed[:end]]
        return Completion(
            tokens=tuple(int(token) for token in tokens),
            stop_reason="stop_token" if stops.any() else "length",
            forwards=int(generation.forwards[row]),
        )


def row_keys(seed: int, requests: Sequence[Request]) -> jax.Array:
    """A key for each request, from the seed, its problem and its sample."""
    root = jax.random.key(seed)
    problems = jnp.asarray([zlib.crc32(request.problem.encode()) for request in requests], jnp.uint32)
    samples = jnp.asarray([request.sample for request in requests], jnp.uint32)
    return jax.vmap(lambda problem, sample: jax.random.fold_in(jax.random.fold_in(root, problem), sample))(
        problems, samples
    )
