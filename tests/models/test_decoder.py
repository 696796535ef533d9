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

from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.decoder import Decoder, attention_mask

TOLERANCE = 1e-5
"""Float32 hidden states of order one; the order of sums differs."""
LENGTH = 6
DIFFUSION = DecoderConfig(
    vocab_size=24,
    hidden_size=16,
    intermediate_size=20,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=4,
    rms_norm_eps=1e-6,
    rope_theta=100.0,
    max_positions=32,
    causal=False,
    qk_norm=True,
    tied_head=False,
)
CAUSAL = dataclasses.replace(DIFFUSION, causal=True, tied_head=True)
TOKENS = np.array([[3, 14, 15, 9, 2, 6], [2, 7, 1, 8, 2, 8]], np.int32)


class Hidden:
    """Hidden states of a random model, compiled for batches of two."""

    def __init__(self, config: DecoderConfig) -> None:
        graph, shapes = nnx.split(nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0))))
        # Larger than the initial ones, with which attention hardly depends on what it sees.
        random = np.random.default_rng(1)
        self._weights = jax.tree.map(lambda leaf: random.normal(0.5, 0.4, leaf.shape).astype(np.float32), shapes)
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


@pytest.mark.parametrize("causal", [False, True])
def test_attention_mask(*, causal: bool) -> None:
    """Rows are the position that looks, columns what it looks at."""
    key_mask = jnp.asarray([[False, True, True]])
    expected = [[0, 0, 0], [0, 1, 0], [0, 1, 1]] if causal else [[0, 1, 1]] * 3
    np.testing.assert_array_equal(attention_mask(key_mask, causal=causal)[0], np.array(expected, bool))


@pytest.mark.parametrize("tied_head", [False, True])
@pytest.mark.parametrize("qk_norm", [False, True])
def test_num_parameters_counts_every_element(*, tied_head: bool, qk_norm: bool) -> None:
    """Without making any."""
    config = dataclasses.replace(DIFFUSION, tied_head=tied_head, qk_norm=qk_norm)
    shapes = jax.tree.leaves(nnx.eval_shape(lambda: nnx.state(Decoder(config, rngs=nnx.Rngs(0)), nnx.Param)))
    assert config.num_parameters == sum(math.prod(leaf.shape) for leaf in shapes)
