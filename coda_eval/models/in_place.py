"""Writing into part of a large array without copying the rest."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped


def write_slice(
    array: Shaped[Array, "*shape"], new: Shaped[Array, "*part"], start: Sequence[int | Int[Array, ""]]
) -> Shaped[Array, "*shape"]:
    """`lax.dynamic_update_slice`, with 16-bit floats moved as integers.

    XLA's CPU backend does arithmetic on them in float32 and would convert the whole array there and back.
    """
    if array.dtype.itemsize != 2:
        return jax.lax.dynamic_update_slice(array, new.astype(array.dtype), start)
    bits, new_bits = (jax.lax.bitcast_convert_type(x, jnp.uint16) for x in (array, new.astype(array.dtype)))
    return jax.lax.bitcast_convert_type(jax.lax.dynamic_update_slice(bits, new_bits, start), array.dtype)
