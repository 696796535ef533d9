"""What single forwards take: measured apart, because nothing on the host sees them inside the loop."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Sharding

from coda_eval.run.generator import ForwardSeconds
from coda_eval.samplers.language_model import LanguageModel

REPEATS = 5


def time_forwards(
    model: LanguageModel, batch: int, length: int, window: int | None, *, rows: Sharding | None = None
) -> ForwardSeconds:
    """The median time of a forward of `batch` rows, without the head; compilation and a first call are not counted.

    Args:
        model: whose forwards.
        batch: rows.
        length: columns of the whole canvas, prompt included.
        window: columns of a cached window at its end; None where nothing is cached.
        rows: how devices share the rows; None is one device.
    """
    tokens = jnp.full((batch, length), model.fill_id, jnp.int32, device=rows)
    positions = jax.device_put(jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32), (batch, length)), rows)
    mask = jnp.ones((batch, length), bool, device=rows)
    full = jax.jit(model.hidden)
    full_s = _median_seconds(lambda: full(model.parameters, tokens, positions, mask))
    if window is None:
        return ForwardSeconds(full_s, None)
    _, cache = jax.jit(model.prefill)(model.parameters, tokens, positions, mask)
    start = jnp.full((batch,), length - window, jnp.int32, device=rows)
    step = jax.jit(functools.partial(model.window, width=window))
    window_s = _median_seconds(lambda: step(model.parameters, tokens, positions, mask, cache, start, start))
    return ForwardSeconds(full_s, window_s)


def call_seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """What a call takes until its result is there, each time; a first one, which compiles, is not counted."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - started)
    return seconds


def _median_seconds(call: Callable[[], object]) -> float:
    return statistics.median(call_seconds(call, REPEATS))
