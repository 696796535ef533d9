"""Kernels give what plain attention gives, and are chosen only where they apply."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import tpu as pallas_tpu
from jaxtyping import Array

from coda_eval.config import MeshConfig
from coda_eval.models.attention import KeyValues, Segment, attend, attention_mask
from coda_eval.models.attention_kernels import Case, attend_with, choose_kernel, splash_attention
from coda_eval.models.sharding import make_mesh

TOLERANCE = 1e-5
"""Of float32 sums of order one in another order, in the interpreter; on a TPU queries and keys are bfloat16."""
B, H, SCALE = 2, 128, 0.1


class Inputs:
    """Random queries, keys and values of rows that begin with padding."""

    def __init__(self, *, length: int, heads: int, kv_heads: int, padding: int) -> None:
        random = np.random.default_rng(length + padding)

        def normal(heads: int) -> Array:
            return jnp.asarray(random.normal(size=(B, length, heads, H)), jnp.float32)

        self.q, self.past = normal(heads), KeyValues(normal(kv_heads), normal(kv_heads))
        columns = jnp.broadcast_to(jnp.arange(length), (B, length))
        self.keys = columns >= jnp.asarray([[0], [padding]])
        self.positions = jnp.maximum(columns - jnp.asarray([[0], [padding]]), 0)

    def mask(self, *, causal: bool) -> Array:
        """Of every query and key."""
        return attention_mask(self.positions, self.positions, self.keys, causal=causal)

    def assert_attended(self, found: Array, *, causal: bool) -> None:
        """It is what plain attention gives, but for queries that are padding."""
        expected = attend(self.q, [Segment(self.past, self.mask(causal=causal))], scale=SCALE)
        real = np.asarray(self.keys)
        np.testing.assert_allclose(np.asarray(found)[real], np.asarray(expected)[real], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("causal", "shape"),
    [
        (False, {"length": 256, "heads": 2, "kv_heads": 2, "padding": 0}),
        (False, {"length": 200, "heads": 4, "kv_heads": 2, "padding": 70}),
        (True, {"length": 200, "heads": 2, "kv_heads": 1, "padding": 70}),
        (False, {"length": 1100, "heads": 1, "kv_heads": 1, "padding": 900}),
    ],
    ids=["whole tiles", "groups of heads behind padding", "causal behind padding", "several tiles"],
)
def test_splash_attention_is_attention(causal: bool, shape: dict[str, int]) -> None:
    """Whatever the length, the padding and the grouping of heads."""
    given = Inputs(**shape)
    kernel = jax.jit(functools.partial(splash_attention, causal=causal, scale=SCALE, interpret=True))
    given.assert_attended(kernel(given.q, *given.past, given.keys, given.mask(causal=causal)), causal=causal)


def test_devices_attend_to_their_rows_and_heads() -> None:
    """A row and a pair of heads on each of four devices."""
    mesh = make_mesh(MeshConfig(data=2, model=2), jax.devices())
    given = Inputs(length=128, heads=4, kv_heads=2, padding=40)
    with jax.set_mesh(mesh), pallas_tpu.force_tpu_interpret_mode():
        attended = attend_with("splash", given.keys, given.mask(causal=False), causal=False, scale=SCALE)
        found = jax.jit(attended)(given.q, given.past)
    given.assert_attended(found, causal=False)


CODA: dict[str, Any] = {
    "platform": "tpu", "dtype": "bfloat16", "head_dim": 128, "kv_heads": 8, "length": 704, "sliding": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "kernel"),
    [
        ({}, "splash"),
        ({"dtype": "float32"}, "xla"),
        ({"head_dim": 64}, "xla"),
        ({"length": 128}, "xla"),
        ({"sliding": True}, "xla"),
        ({"platform": None}, "xla"),
        ({"platform": "cuda"}, "cudnn"),
        ({"platform": "cuda", "head_dim": 64, "sliding": True}, "cudnn"),
        ({"platform": "cuda", "head_dim": 256}, "xla"),
        ({"platform": "cuda", "dtype": "float32"}, "xla"),
    ],
)
def test_a_kernel_is_chosen_where_it_applies(changes: dict[str, Any], kernel: str) -> None:
    """By platform, precision, width of heads, length and form of mask; plain attention everywhere else."""
    assert choose_kernel(Case(**{**CODA, **changes})) == kernel


@pytest.mark.parametrize(("kv_heads", "kernel"), [(8, "splash"), (2, "xla")])
def test_heads_that_devices_cannot_share_are_left_to_the_compiler(kv_heads: int, kernel: str) -> None:
    """Four devices share a model here."""
    with jax.set_mesh(make_mesh(MeshConfig(model=4), jax.devices())):
        assert choose_kernel(Case(**{**CODA, "kv_heads": kv_heads})) == kernel
