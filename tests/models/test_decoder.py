"""What the decoder guarantees whatever its weights are."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny_models import TINY, random_decoder

from coda_eval.models.architecture import DecoderConfig, SlidingWindow
from coda_eval.models.attention import attention_mask
from coda_eval.models.decoder import Decoder

TOLERANCE = 1e-5
"""Float32 hidden states of order one; the order of sums differs."""
LENGTH = 6
DIFFUSION = TINY
CAUSAL = dataclasses.replace(DIFFUSION, causal=True, tied_head=True)
TOKENS = np.array([[3, 14, 15, 9, 2, 6], [2, 7, 1, 8, 2, 8]], np.int32)


class Hidden:
    """Hidden states of a random model, compiled for batches of two."""

    def __init__(self, config: DecoderConfig) -> None:
        graph, self._weights = nnx.split(random_decoder(config))
        self._apply = jax.jit(lambda weights, *inputs: nnx.merge(graph, weights)(*inputs))

    def __call__(self, tokens: Any, positions: Any = None, seen: Any = None) -> Any:
        """Positions count from 0 and everything is seen, unless it is said otherwise."""
        positions = np.arange(LENGTH) if positions is None else np.asarray(positions)
        seen = np.ones(LENGTH, bool) if seen is None else np.asarray(seen)
        rows = (np.broadcast_to(value, TOKENS.shape) for value in (tokens, positions.astype(np.int32), seen))
        return np.asarray(self._apply(self._weights, *map(jnp.asarray, rows)))


@pytest.fixture(scope="module")
def diffusion() -> Hidden:
    return Hidden(DIFFUSION)


@pytest.fixture(scope="module")
def causal() -> Hidden:
    return Hidden(CAUSAL)


@pytest.mark.parametrize("kind", ["diffusion", "causal"])
@pytest.mark.parametrize("padding", [1, 3])
def test_a_padded_row_equals_the_row_alone(kind: str, padding: int, request: pytest.FixtureRequest) -> None:
    """What stands in the padding, and how much of it there is, changes nothing."""
    hidden = request.getfixturevalue(kind)
    text = TOKENS[0, : LENGTH - 3]
    behind = np.zeros(3 - padding, np.int32)
    junk = np.array([[20], [21]]).repeat(padding, axis=1)
    padded = np.concatenate([junk, np.broadcast_to(np.concatenate([text, behind]), (2, LENGTH - padding))], axis=1)
    start = np.maximum(np.arange(LENGTH) - padding, 0)
    column = np.arange(LENGTH)
    seen = (column >= padding) & (column < padding + len(text))
    left = hidden(padded, start, seen)[:, padding : padding + len(text)]
    alone = hidden(np.concatenate([text, np.zeros(3, np.int32)]), None, column < len(text))[:, : len(text)]
    np.testing.assert_allclose(left, alone, rtol=0, atol=TOLERANCE)


def test_a_causal_model_sees_nothing_later(causal: Hidden) -> None:
    """Another last token changes the last row only."""
    changed = TOKENS.copy()
    changed[:, -1] = 11
    before, after = causal(TOKENS), causal(changed)
    np.testing.assert_array_equal(before[:, :-1], after[:, :-1])
    assert np.abs(before[:, -1] - after[:, -1]).min(axis=-1).max() > TOLERANCE


def test_a_diffusion_model_sees_in_both_directions(diffusion: Hidden) -> None:
    """Another last token changes every row."""
    changed = TOKENS.copy()
    changed[:, -1] = 11
    difference = np.abs(diffusion(TOKENS) - diffusion(changed)).max(axis=-1)
    assert (difference > TOLERANCE).all()


def test_rotary_positions_are_relative(diffusion: Hidden) -> None:
    """Counting from another number changes nothing, in another order it does."""
    there = diffusion(TOKENS, np.arange(LENGTH) + 7)
    np.testing.assert_allclose(there, diffusion(TOKENS), rtol=0, atol=TOLERANCE)
    assert np.abs(diffusion(TOKENS, np.arange(LENGTH)[::-1] * 2) - there).max() > 10 * TOLERANCE


def test_a_row_of_padding_gives_numbers(diffusion: Hidden) -> None:
    """Where nothing may be seen there is no NaN that a sum could spread."""
    assert np.isfinite(diffusion(TOKENS, seen=np.zeros(LENGTH, bool))).all()


SEEN = {
    "everywhere": ({"causal": False}, [[0, 1, 1, 1]] * 4),
    "before": ({"causal": True}, [[0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]),
    "just before": ({"causal": True, "window": 2}, [[0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]),
}


@pytest.mark.parametrize("kind", SEEN)
def test_attention_mask(kind: str) -> None:
    """Rows are the position that looks, columns what it looks at; the first column is padding that says position 0."""
    options, expected = SEEN[kind]
    positions = jnp.asarray([[0, 0, 1, 2]])
    mask = attention_mask(positions, positions, jnp.asarray([[False, True, True, True]]), **options)
    np.testing.assert_array_equal(mask[0], np.array(expected, bool))


SWITCHES: dict[str, dict[str, Any]] = {
    "CoDA": {},
    "tied": {"tied_head": True},
    "Qwen2": {"qk_norm": False, "qkv_bias": True},
    "Gemma 3": {"post_norms": True, "sliding": SlidingWindow(size=2, layers=(True, False), rope_theta=1.0)},
}


@pytest.mark.parametrize("kind", SWITCHES)
def test_num_parameters_counts_every_element(kind: str) -> None:
    """Without making any."""
    config = dataclasses.replace(TINY, **SWITCHES[kind])
    shapes = jax.tree.leaves(nnx.eval_shape(lambda: nnx.state(Decoder(config, rngs=nnx.Rngs(0)), nnx.Param)))
    assert config.num_parameters == sum(math.prod(leaf.shape) for leaf in shapes)
