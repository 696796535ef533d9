"""Which position a hidden state predicts."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def align(hidden: Float[Array, "B L D"], *, shifted: bool) -> Float[Array, "B L D"]:
    """Hidden states whose row p predicts the token at position p.

    Where the raw ones are shifted (row i predicts token i + 1) they move one to the right. Nothing predicts the first
    token; it repeats the first row, as the reference does (CoDA, generation_utils.py:457).
    """
    return jnp.concatenate([hidden[:, :1], hidden[:, :-1]], axis=1) if shifted else hidden
