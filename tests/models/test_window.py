"""The cached forward: a window of columns against the keys and values of the others."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_data import Golden
from models.forwards import LENGTH, POSITIONS, ROWS, SEEN, Forwards
from tiny_models import TINY, random_decoder

from coda_eval.models.architecture import SlidingWindow
from coda_eval.models.checkpoint import CheckpointModel, load_checkpoint
from coda_eval.models.families import FAMILIES
from coda_eval.models.special_tokens import SpecialTokens

TOLERANCE = 1e-5
"""Float32 hidden states of order one; the order of sums differs."""
WIDTH = 5
STARTS = {
    "at once": [7, 7, 7, 7],
    "each its own": [0, 14, 3, 1],
    "at the edges": [15, 3, 0, 15],
    "near the front": [1, 4, 2, 5],
}


def columns(start: Any, width: int = WIDTH) -> Any:
    """[B, width]"""
    return np.asarray(start)[:, None] + np.arange(width)


def assert_window(found: Any, hidden: Any, start: Any, *, counted: Any = True) -> None:
    """Hidden states of a window are those of the full forward there, at the positions that are no padding."""
    expected = np.take_along_axis(np.asarray(hidden), columns(start)[..., None], axis=1)
    real = np.take_along_axis(SEEN, np.maximum(columns(start) - 1, 0), axis=1) & counted
    np.testing.assert_allclose(np.asarray(found)[real], expected[real], rtol=0, atol=TOLERANCE)


def test_prefill_gives_the_hidden_states_of_the_full_forward(family: Forwards) -> None:
    """And one key and value for each layer, column and head."""
    hidden, cache = family.prefill(family.tokens)
    model, config = family.model, family.model.config
    inputs = map(jnp.asarray, (family.tokens, POSITIONS, SEEN))
    np.testing.assert_allclose(hidden, jax.jit(model.hidden)(model.parameters, *inputs), rtol=0, atol=TOLERANCE)
    shape = config.num_layers, ROWS, LENGTH, config.num_kv_heads, config.head_dim
    assert (cache.keys.shape, cache.values.shape) == (shape, shape)


@pytest.mark.parametrize("where", STARTS)
def test_a_window_equals_the_full_forward(family: Forwards, where: str) -> None:
    """Wherever it begins in each row; what it writes into the cache is what was there."""
    hidden, cache = family.prefill(family.tokens)
    start = np.array(STARTS[where], np.int32)
    found, renewed = family.window(family.tokens, cache, start, start, width=WIDTH)
    assert_window(found, hidden, start)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE), renewed, cache)


def test_a_window_over_everything_needs_no_cache(family: Forwards) -> None:
    """Every column is computed anew and written."""
    hidden, cache = family.prefill(family.tokens)
    start = np.zeros(ROWS, np.int32)
    found, renewed = family.window(family.tokens, jax.tree.map(jnp.zeros_like, cache), start, start, width=LENGTH)
    np.testing.assert_allclose(found, hidden, rtol=0, atol=TOLERANCE)
    # The last column of a causal model is seen by nothing that is predicted, so that it is left out.
    kept = slice(None, LENGTH - int(family.model.causal))
    for new, old in zip(renewed, cache, strict=True):
        np.testing.assert_allclose(new[:, :, kept], old[:, :, kept], rtol=0, atol=TOLERANCE)


KINDS = {
    "CoDA": {},
    "llada": {},
    "qwen3": {"causal": True},
    "gemma3_text": {"causal": True, "sliding": SlidingWindow(size=4, layers=(True,), rope_theta=50.0)},
}


@pytest.fixture(scope="module", params=KINDS)
def shallow(request: pytest.FixtureRequest) -> Forwards:
    """One layer, whose keys and values depend on their own token alone: a cache is exact whatever has changed."""
    config = dataclasses.replace(TINY, num_layers=1, **KINDS[request.param])
    special = SpecialTokens(mask_id=None, pad_id=0, stop_ids=(0,))
    family = FAMILIES[request.param]
    return Forwards(CheckpointModel(random_decoder(config), config, family, special, tokenizer_size=config.vocab_size))


def changed(tokens: Any, start: Any, seed: int) -> Any:
    """Other tokens in the window."""
    copy = np.array(tokens)
    np.put_along_axis(copy, columns(start), np.random.default_rng(seed).integers(0, 24, (ROWS, WIDTH)), axis=1)
    return copy


@pytest.mark.parametrize("where", STARTS)
def test_changed_tokens_are_seen_inside_the_window_and_later(shallow: Forwards, where: str) -> None:
    """Two windows at one place, each with other tokens, equal full forwards."""
    _, cache = shallow.prefill(shallow.tokens)
    start = np.array(STARTS[where], np.int32)
    for seed in range(2):
        tokens = changed(shallow.tokens, start, seed)
        found, cache = shallow.window(tokens, cache, start, start, width=WIDTH)
        assert_window(found, shallow.prefill(tokens)[0], start)


def test_what_is_not_written_stays_in_the_cache_and_is_seen(shallow: Forwards) -> None:
    """Columns before `write_from` are as old as the cache; L writes nothing."""
    _, cache = shallow.prefill(shallow.tokens)
    start = np.array([4, 8, 3, 10], np.int32)
    write_from = np.array([4, 10, LENGTH, 12], np.int32)
    tokens = changed(shallow.tokens, start, 0)
    found, renewed = shallow.window(tokens, cache, start, write_from, width=WIDTH)
    shift = int(shallow.model.family.shifted_logits)
    column = np.arange(LENGTH)
    mixed = np.where(column >= write_from[:, None] - shift, tokens, shallow.tokens)
    # A query sees itself through the cache too, so that its own column has to be written.
    assert_window(found, shallow.prefill(mixed)[0], start, counted=columns(start) >= write_from[:, None])
    expected = shallow.prefill(mixed)[1]
    written_by_next = column == (start + WIDTH - 1)[:, None] if shallow.model.causal else np.zeros((ROWS, LENGTH), bool)
    for new, old in zip(renewed, expected, strict=True):
        np.testing.assert_allclose(new[:, ~written_by_next], old[:, ~written_by_next], rtol=0, atol=TOLERANCE)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[:, 2], b[:, 2]), renewed, cache)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_chunks_of_the_head_are_the_columns_of_the_logits(dtype: str) -> None:
    """Wherever a chunk begins."""
    model = load_checkpoint(Golden("coda-tiny").directory, dtype=dtype)
    hidden = jnp.asarray(np.random.default_rng(3).normal(size=(6, model.config.hidden_size)), jnp.float32)
    whole = model.logits(model.parameters, hidden)
    for start in (0, 100, model.config.vocab_size - 64):
        chunk = model.head_chunk(model.parameters, hidden, jnp.int32(0), jnp.asarray(start), parts=1, size=64)
        np.testing.assert_allclose(chunk[0].T, whole[:, start : start + 64], rtol=0, atol=TOLERANCE)
