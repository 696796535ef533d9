"""Weights as they are multiplied: plain arrays, or int8 with a scale for each output channel."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, Int8


class Int8Weight(NamedTuple):
    """A matrix in int8; its last axes are those that a product sums over.

    Rounding to the nearest of 255 steps moves a weight by at most half a step: 1/254 of the largest of its channel.
    """

    values: Int8[Array, "*channels_and_inputs"]
    scales: Float[Array, "*channels"]
    """One for each output channel, in float32: a weight is `value * scale`."""


Weight = Array | Int8Weight
"""What a parameter of the decoder holds."""


def quantize(rows: Float[Array, "channels inputs"]) -> Int8Weight:
    """Each row is scaled so that its largest weight is 127; a row of zeros stays zero."""
    rows = rows.astype(jnp.float32)
    scales = jnp.max(jnp.abs(rows), axis=1) / 127
    steps = rows / jnp.where(scales > 0, scales, 1.0)[:, None]
    return Int8Weight(values=jnp.round(steps).astype(jnp.int8), scales=scales)


def contract(
    equation: str, x: Float[Array, "*axes"], weight: Weight, *, dtype: DTypeLike | None = None
) -> Float[Array, "*result"]:
    """The product of activations with a weight.

    Args:
        equation: of `jnp.einsum`; the axes of the weight that are not summed over end the result, in their order.
        x: activations.
        weight: what a parameter holds.
        dtype: of the result; that of `x` where it is None.
    """
    dtype = x.dtype if dtype is None else dtype
    if isinstance(weight, Int8Weight):
        sums = jnp.einsum(equation, x, weight.values.astype(x.dtype), preferred_element_type=jnp.float32)
        scales = weight.scales.reshape((1,) * (sums.ndim - weight.scales.ndim) + weight.scales.shape)
        return (sums * scales).astype(dtype)
    sums = jnp.einsum(equation, x, weight, preferred_element_type=jnp.float32, precision=precision(x))
    return sums.astype(dtype)


def project(weight: Weight, x: Float[Array, "N inputs"]) -> Float[Array, "*channels N"]:
    """Float32 products of every channel with every row: as `contract`, with the channels first."""
    values = weight.values.astype(x.dtype) if isinstance(weight, Int8Weight) else weight
    sums = jnp.einsum("...D,ND->...N", values, x, preferred_element_type=jnp.float32, precision=precision(x))
    return sums * weight.scales[..., None] if isinstance(weight, Int8Weight) else sums


def look_up(weight: Weight, tokens: Int[Array, "*axes"], *, dtype: DTypeLike) -> Float[Array, "*axes width"]:
    """Rows of an embedding."""
    if isinstance(weight, Int8Weight):
        return (weight.values[tokens].astype(jnp.float32) * weight.scales[tokens][..., None]).astype(dtype)
    return weight[tokens].astype(dtype)


def precision(x: Array) -> jax.lax.Precision | None:
    """Float32 is multiplied as float32: the default of TPUs and GPUs is to round it to fewer bits first."""
    return jax.lax.Precision.HIGHEST if x.dtype == jnp.float32 else None
