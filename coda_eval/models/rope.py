"""Rotary position embedding, in the halves layout of Hugging Face checkpoints (Su et al., 2021, arXiv 2104.09864)."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from coda_eval.models.architecture import LinearScaling, Llama3Scaling, RopeScaling


class Rotation(NamedTuple):
    """The angles that positions turn each pair of coordinates by, in float32."""

    cosines: Float[Array, "batch length half"]
    sines: Float[Array, "batch length half"]


def rotation(
    positions: Int[Array, "batch length"], *, head_dim: int, theta: float, scaling: RopeScaling | None = None
) -> Rotation:
    """The rotation of each position."""
    exponents = jnp.arange(0, head_dim, 2, dtype=jnp.float32) / head_dim
    frequencies = _scale(1.0 / (theta**exponents), scaling)
    angles = positions[:, :, None].astype(jnp.float32) * frequencies[None, None, :]
    return Rotation(jnp.cos(angles), jnp.sin(angles))


def rotate(x: Float[Array, "batch length heads head_dim"], by: Rotation) -> Float[Array, "batch length heads head_dim"]:
    """Turns coordinate i together with coordinate i + head_dim/2; computed in float32, returned in the dtype of `x`."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cosines, sines = by.cosines[:, :, None, :], by.sines[:, :, None, :]
    turned = jnp.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)
    return turned.astype(x.dtype)


def _scale(frequencies: Float[Array, " half"], scaling: RopeScaling | None) -> Float[Array, " half"]:
    match scaling:
        case None:
            return frequencies
        case LinearScaling(factor=factor):
            return frequencies / factor
        case Llama3Scaling():
            # transformers, modeling_rope_utils.py, _compute_llama3_parameters
            wavelengths = 2 * math.pi / frequencies
            low, high = scaling.low_freq_factor, scaling.high_freq_factor
            kept = (scaling.original_max_positions / wavelengths - low) / (high - low)
            kept = jnp.clip(kept, 0.0, 1.0)
            return (1 - kept) * frequencies / scaling.factor + kept * frequencies
