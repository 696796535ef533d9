"""Logits equal those of the reference implementations."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_data import Golden

from coda_eval.models.checkpoint import load_checkpoint

pytestmark = pytest.mark.golden

TOLERANCE = 1e-4
"""Float32 on both sides; the order of sums differs."""


@pytest.mark.parametrize("name", ["coda-tiny", "qwen3-tiny"])
def test_logits_equal_the_reference(name: str) -> None:
    """Raw logits (before alignment) of a batch without padding."""
    golden = Golden(name)
    model = load_checkpoint(golden.directory)
    tokens = jnp.asarray(golden.arrays["input_ids"])
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1])[None, :], tokens.shape)
    decoder = nnx.merge(model._graph, model.parameters)
    logits = decoder.head(decoder(tokens, positions, jnp.ones(tokens.shape, bool)))
    np.testing.assert_allclose(logits, golden.arrays["logits"], rtol=0, atol=TOLERANCE)
