"""Forwards beside what the device can do, and seconds a problem: the row of `bench sampler` for an accelerator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from coda_eval.bench.decoding import SamplerRow, Timed, requests_for
from coda_eval.config import SamplerConfig
from coda_eval.models.checkpoint import CheckpointModel
from coda_eval.run.forward_times import call_seconds

PROMPT, NEW, WINDOW = 132, 768, 32
"""The sizes of CoDA's evaluation on HumanEval, and a block."""
STEPS = (32, 64, 128, 256, 512, 1024)
"""Those of the report's Figure 3."""


def device_row(model: CheckpointModel, *, shape: str, dtype: str, rounds: int, batch: int) -> SamplerRow:
    """Forwards beside what the device can do: its matrix rate, and the time it takes to read the weights."""
    length = PROMPT + NEW
    body = sum(leaf.size for leaf in jax.tree.leaves(model.parameters)) - model.config.vocab_size * (
        model.config.hidden_size * (1 if model.config.tied_head else 2)
    )
    weight_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(model.parameters))
    matrix = jax.random.normal(jax.random.key(0), (8192, 8192) if dtype == "bfloat16" else (2048, 2048))
    matrix = matrix.astype(dtype if dtype != "int8" else "bfloat16")
    multiply = jax.jit(lambda a: a @ a)
    rate = 2 * matrix.shape[0] ** 3 / _best(lambda: multiply(matrix), rounds)
    read = jax.jit(lambda leaves: [jnp.max(leaf.astype(jnp.float32)) for leaf in leaves])
    read_s = _best(lambda: read(jax.tree.leaves(model.parameters)), rounds)

    tokens = {rows: jnp.ones((rows, length), jnp.int32) for rows in (1, batch)}
    positions = {rows: jnp.broadcast_to(jnp.arange(length)[None], (rows, length)) for rows in (1, batch)}
    seen = {rows: jnp.ones((rows, length), bool) for rows in (1, batch)}
    full = jax.jit(model.hidden)
    full_s = _best(lambda: full(model.parameters, tokens[batch], positions[batch], seen[batch]), rounds)
    flops = (
        batch
        * length
        * (2 * body + 4 * length * model.config.num_layers * model.config.num_heads * model.config.head_dim)
    )
    _, cache = jax.jit(model.prefill)(model.parameters, tokens[1], positions[1], seen[1])
    at = jnp.asarray([length - WINDOW])

    @jax.jit
    def windowed(parameters: Any, cache: Any) -> Any:
        hidden, _ = model.window(parameters, tokens[1], positions[1], seen[1], cache, at, at, width=WINDOW)
        return model.logits(parameters, hidden)

    window_s = _best(lambda: windowed(model.parameters, cache), rounds)
    seconds = {}
    for steps in STEPS:
        timed = Timed(
            model,
            SamplerConfig(max_new_tokens=NEW, steps=steps, algorithm="entropy"),
            requests_for(model, batch=batch, prompt=PROMPT),
        )
        timed()  # what surrounds the loop is compiled, too
        seconds[str(steps)] = round(timed() / batch, 4)
    fast = Timed(
        model,
        SamplerConfig(max_new_tokens=NEW, threshold=0.9, block_length=32, cache="dual"),
        requests_for(model, batch=batch, prompt=PROMPT),
    )
    fast()
    seconds["fast"] = round(fast() / batch, 4)
    return SamplerRow(
        name="device",
        about=f"{shape}, {dtype}, batch {batch}, prompt {PROMPT}, {NEW} new tokens",
        ours_s=(),
        peer="",
        peer_s=(),
        facts={
            "device": jax.devices()[0].device_kind,
            "matrix_tflops": round(rate / 1e12, 2),
            "full_forward_s": full_s,
            "full_forward_over_matrix_rate": round(full_s * rate / flops, 2),
            "window_forward_s": window_s,
            "window_forward_over_weight_read": round(window_s / read_s, 2),
            "weight_read_gb_s": round(weight_bytes / read_s / 1e9, 1),
            "seconds_a_problem": seconds,
        },
    )


def _best(call: Callable[[], Any], rounds: int) -> float:
    """The fastest: what the device can do is asked for."""
    return min(call_seconds(call, rounds))
