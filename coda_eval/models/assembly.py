"""Putting a parameter together from the rows of its tensors, where it will live.

Where that is the host's memory, rows are read into an array that JAX then takes over as it is. Elsewhere they are
sent to the device (or the devices of a mesh) and written there. Either way the host holds a piece for each thread that
loads, besides the model.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding
from jaxtyping import Array, Int, Shaped

from coda_eval.models.in_place import write_slice
from coda_eval.models.linear import Int8Weight, Weight, quantize
from coda_eval.models.places import Place
from coda_eval.models.tensors import StoredRows

ShardingRule = Callable[[str, tuple[int, ...]], Sharding | None]
"""Where a parameter lives, from its dotted path and its shape; the scales of an int8 one have `.scales` behind it."""

COMPUTE_DTYPES = {"float32": "float32", "bfloat16": "bfloat16", "int8": "bfloat16"}
"""Of activations, norms and biases, for each dtype that weights can be loaded as."""

_ALIGNMENT = 64
"""Bytes; JAX takes over arrays that begin at a multiple."""


@runtime_checkable
class Assembly(Protocol):
    """A parameter in the making."""

    def write(self, rows: StoredRows, *, layer: int, index: int) -> None:
        """Reads rows to an index into the first axis (behind that of the layers) of the parameter.

        Several threads may, each its own rows.
        """

    def finish(self) -> Weight:
        """The parameter; nothing is written afterwards."""


def assemble(place: Place, *, dtype: str, sharding: ShardingRule | None) -> Assembly:
    """An empty parameter, of the shape of `place` and the kind that `dtype` makes of it."""
    if sharding is None and jax.default_backend() == "cpu":
        return _OnHost(place, quantized=dtype == "int8" and place.is_matrix, dtype=COMPUTE_DTYPES[dtype])
    return _OnDevice(
        place, quantized=dtype == "int8" and place.is_matrix, dtype=COMPUTE_DTYPES[dtype], sharding=sharding
    )


class _OnHost:
    def __init__(self, place: Place, *, quantized: bool, dtype: str) -> None:
        self._stacked = place.layer is not None
        self._scales = _aligned(place.channels_shape, "float32") if quantized else None
        self._values = _aligned(place.stacked_shape, "int8" if quantized else dtype)

    def write(self, rows: StoredRows, *, layer: int, index: int) -> None:
        values = self._part(self._values, math.prod(rows.shape), layer, index)
        if self._scales is not None:
            scales = self._part(self._scales, rows.shape[0], layer, index)
            steps = _quantize(rows.read())
            values[...] = np.asarray(steps.values).reshape(values.shape)
            scales[...] = np.asarray(steps.scales).reshape(scales.shape)
        elif values.dtype == rows.dtype:
            rows.read_into(values)
        else:
            values[...] = rows.read().reshape(values.shape)

    def finish(self) -> Weight:
        values = jax.device_put(self._values)
        return values if self._scales is None else Int8Weight(values, jax.device_put(self._scales))

    def _part(
        self, parameter: Shaped[np.ndarray, "*shape"], size: int, layer: int, index: int
    ) -> Shaped[np.ndarray, "*part"]:
        whole = parameter[layer] if self._stacked else parameter
        return whole[index : index + size // math.prod(whole.shape[1:])]


class _OnDevice:
    def __init__(self, place: Place, *, quantized: bool, dtype: str, sharding: ShardingRule | None) -> None:
        def zeros(path: str, shape: tuple[int, ...], dtype: str) -> Array:
            return jnp.zeros(shape, dtype, device=None if sharding is None else sharding(path, shape))

        self._stacked = place.layer is not None
        self._weight: Weight = zeros(place.target, place.stacked_shape, "int8" if quantized else dtype)
        if quantized:
            self._weight = Int8Weight(self._weight, zeros(f"{place.target}.scales", place.channels_shape, "float32"))
        self._lock = threading.Lock()  # each write takes the place of the weight before it

    def write(self, rows: StoredRows, *, layer: int, index: int) -> None:
        values = rows.read()
        with self._lock:
            self._weight = _write_rows(self._weight, values, np.int32(layer), np.int32(index), stacked=self._stacked)

    def finish(self) -> Weight:
        return self._weight


_quantize = jax.jit(quantize)


@functools.partial(jax.jit, donate_argnames="weight", static_argnames="stacked")
def _write_rows(
    weight: Weight, rows: Shaped[Array, "rows columns"], layer: Int[Array, ""], index: Int[Array, ""], *, stacked: bool
) -> Weight:
    def write(parameter: Array, new: Array) -> Array:
        start = [layer, index] if stacked else [index]
        new = new.reshape(*[1] * stacked, -1, *parameter.shape[len(start) :])
        return write_slice(parameter, new, start + [0] * (parameter.ndim - len(start)))

    rows_and_scales = quantize(rows) if isinstance(weight, Int8Weight) else rows
    written: Weight = jax.tree.map(write, weight, rows_and_scales)
    return written


def _aligned(shape: tuple[int, ...], dtype: str) -> Shaped[np.ndarray, "*shape"]:
    size = math.prod(shape) * jnp.dtype(dtype).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + size].view(jnp.dtype(dtype)).reshape(shape)
