"""Logits equal those of the reference implementations, for every folder of reference outputs there is."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_data import GOLDEN_NAMES, Golden

from coda_eval.models.checkpoint import CheckpointModel, load_checkpoint

pytestmark = pytest.mark.golden

TOLERANCE = 1e-4
"""Float32 on both sides; the order of sums differs."""


def logits(model: CheckpointModel, tokens: Any, positions: Any = None, seen: Any = None) -> np.ndarray[Any, Any]:
    """Aligned logits; positions count from 0 and everything is seen, unless it is said otherwise."""
    positions = (
        np.broadcast_to(np.arange(tokens.shape[1], dtype=np.int32), tokens.shape) if positions is None else positions
    )
    seen = np.ones(tokens.shape, bool) if seen is None else seen

    @jax.jit
    def compute(parameters: Any, *inputs: Any) -> Any:
        return model.logits(parameters, model.hidden(parameters, *inputs))

    return np.asarray(compute(model.parameters, *map(jnp.asarray, (tokens, positions, seen))))


def aligned(raw: np.ndarray[Any, Any], *, shifted: bool) -> np.ndarray[Any, Any]:
    """What row p of the reference says of position p."""
    return np.concatenate([raw[:, :1], raw[:, :-1]], axis=1) if shifted else raw


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_logits_equal_the_reference(name: str) -> None:
    """Of a batch without padding."""
    golden = Golden(name)
    model = load_checkpoint(golden.directory)
    expected = aligned(golden.arrays["logits"], shifted=model.family.shifted_logits)
    np.testing.assert_allclose(logits(model, golden.arrays["input_ids"]), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", [name for name in GOLDEN_NAMES if "padded_logits" in Golden(name).arrays])
def test_attended_padding_gives_the_logits_of_the_reference(name: str) -> None:
    """CoDA's released evaluation ignores the attention mask and counts positions from the first pad."""
    golden = Golden(name)
    model = load_checkpoint(golden.directory)
    expected = aligned(golden.arrays["padded_logits"], shifted=model.family.shifted_logits)
    np.testing.assert_allclose(logits(model, golden.arrays["padded_input_ids"]), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", [name for name in GOLDEN_NAMES if "greedy_n24" in Golden(name).arrays])
def test_greedy_tokens_equal_the_reference(name: str) -> None:
    """Token by token, each from a window of one column against the cache."""
    golden = Golden(name)
    model = load_checkpoint(golden.directory)
    expected = golden.arrays["greedy_n24"]
    rows, length = expected.shape
    positions = jnp.broadcast_to(jnp.arange(length), (rows, length))
    prompt = golden.arrays["input_ids"].shape[1]

    @jax.jit
    def decode(parameters: Any, tokens: Any) -> Any:
        seen = jnp.ones(tokens.shape, bool)
        _, cache = model.prefill(parameters, tokens, positions, seen)

        def write(column: Any, state: Any) -> Any:
            tokens, cache = state
            start = jnp.full((rows,), column)
            hidden, cache = model.window(parameters, tokens, positions, seen, cache, start, start, width=1)
            chosen = jnp.argmax(model.logits(parameters, hidden)[:, 0], axis=-1)
            return tokens.at[:, column].set(chosen), cache

        return jax.lax.fori_loop(prompt, length, write, (tokens, cache))[0]

    blank = np.where(np.arange(length) < prompt, expected, 0)
    np.testing.assert_array_equal(decode(model.parameters, jnp.asarray(blank)), expected)
