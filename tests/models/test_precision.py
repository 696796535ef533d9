"""What fewer bits cost: logits in bfloat16 and with int8 weights against float32."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_data import GOLDEN_NAMES, Golden
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from models.forwards import Forwards

from coda_eval.models.checkpoint import load_checkpoint
from coda_eval.models.linear import Int8Weight, quantize

ERROR = {"bfloat16": 0.05, "int8": 0.08}
"""The largest distance of a position's logits from those of float32, as a share of their norm. Measured over the seven
checkpoints and random ones of eight layers: at most 0.036 (mean 0.015) and 0.069 (mean 0.03 to 0.05)."""


DIFFERENT = [name for name in GOLDEN_NAMES if name.startswith(("coda", "gemma3", "qwen2"))]
"""Between them they have every kind of weight and norm."""


@pytest.mark.parametrize("name", DIFFERENT)
def test_fewer_bits_keep_the_logits(name: str) -> None:
    """At every position."""
    exact = Forwards(load_checkpoint(Golden(name).directory))
    expected = exact.logits(exact.prefill(exact.tokens)[0])
    for dtype, bound in ERROR.items():
        rounded = Forwards(load_checkpoint(Golden(name).directory, dtype=dtype))
        found = rounded.logits(rounded.prefill(rounded.tokens)[0])
        assert (np.linalg.norm(found - expected, axis=-1) <= bound * np.linalg.norm(expected, axis=-1)).all(), dtype


def test_int8_holds_matrices_in_a_byte_and_the_rest_in_bfloat16(coda: Path) -> None:
    """Embedding and head too; scales, of which there is one for each output channel, are float32."""
    parameters = load_checkpoint(coda, dtype="int8").parameters
    leaves = jax.tree.leaves(parameters, is_leaf=lambda leaf: isinstance(leaf, Int8Weight))
    matrices = [leaf for leaf in leaves if isinstance(leaf, Int8Weight)]
    assert len(matrices) == 2 + 7
    assert all(m.values.dtype == jnp.int8 and m.scales.dtype == jnp.float32 for m in matrices)
    assert all(m.scales.shape == m.values.shape[: m.scales.ndim] for m in matrices)
    assert {leaf.dtype for leaf in leaves if not isinstance(leaf, Int8Weight)} == {jnp.dtype("bfloat16")}


NUMBERS = st.floats(-1e4, 1e4, width=32).filter(lambda number: number == 0 or abs(number) > 1e-6)


@given(hnp.arrays(np.float32, (3, 8), elements=NUMBERS))
def test_quantized_weights_are_within_half_a_step(rows: np.ndarray) -> None:
    """Of their own channel; a row of zeros stays zero."""
    weight = quantize(jnp.asarray(rows))
    restored = np.asarray(weight.values, np.float32) * np.asarray(weight.scales)[:, None]
    steps = np.abs(rows).max(axis=1, keepdims=True) / 127
    assert (np.abs(restored - rows) <= 0.501 * steps).all()
    assert (np.asarray(weight.values)[(rows == 0).all(axis=1)] == 0).all()
