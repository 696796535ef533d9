"""Rotary position embedding, in the halves layout of Hugging Face checkpoints (Su et al., 2021, arXiv 2104.09864)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def rotation(
    positions: Int[Array, "batch length"], *, head_dim: int, theta: float
) -> tuple[Float[Array, "batch length half"], Float[Array, "batch length half"]]:
    """The cosines and sines of the angles that the positions turn each pair of coordinates by, in float32."""
    exponents = jnp.arange(0, head_dim, 2, dtype=jnp.float32) / head_dim
    frequencies = 1.0 / (theta**exponents)
    angles = positions[:, :, None].astype(jnp.float32) * frequencies[None, None, :]
    return jnp.cos(angles), jnp.sin(angles)


def rotate(
    x: Float[Array, "batch length heads head_dim"],
    cosines: Float[Array, "batch length half"],
    sines: Float[Array, "batch length half"],
) -> Float[Array, "batch length heads head_dim"]:
    """Turns coordinate i together with coordinate i + head_dim/2; computed in float32, returned in the dtype of `x`."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cosines, sines = cosines[:, :, None, :], sines[:, :, None, :]
    turned = jnp.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)
    return turned.astype(x.dtype)
