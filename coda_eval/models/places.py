"""Where each tensor of a checkpoint goes in the decoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.decoder import Decoder
from coda_eval.models.families import Family

_INPUT_AXES = {"o_dnh": 2, "scale": 0, "q_bias_nh": 0, "k_bias_kh": 0, "v_bias_kh": 0}
"""How many last axes of a parameter are the columns of its tensor, where it is not one; 0: the tensor is a vector."""


@dataclass(frozen=True, slots=True)
class Place:
    """A parameter, or one layer of a stacked one."""

    target: str
    """The dotted path of the parameter in `Decoder`."""
    layer: int | None
    stacked_shape: tuple[int, ...]
    """Of the parameter, with the layer axis where it has one."""

    @property
    def input_axes(self) -> int:
        """How many last axes a product sums over; 0 for what is added or scaled by."""
        return _INPUT_AXES.get(self.target.rpartition(".")[2], 1)

    @property
    def is_matrix(self) -> bool:
        """It is multiplied with."""
        return self.input_axes > 0

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Rows and columns of the tensor; a vector is one row."""
        shape = self.stacked_shape if self.layer is None else self.stacked_shape[1:]
        split = len(shape) - self.input_axes if self.is_matrix else 0
        return math.prod(shape[:split]), math.prod(shape[split:])

    @property
    def rows_per_index(self) -> int:
        """How many rows of the tensor one index into the parameter's first axis is (the width of a head, say)."""
        shape = self.stacked_shape if self.layer is None else self.stacked_shape[1:]
        return math.prod(shape[1 : len(shape) - self.input_axes]) if self.is_matrix else 1

    @property
    def channels_shape(self) -> tuple[int, ...]:
        """Of the parameter without what a product sums over."""
        return self.stacked_shape[: len(self.stacked_shape) - self.input_axes]

    @property
    def tensor_shape(self) -> tuple[int, ...]:
        """In the checkpoint."""
        return self.matrix_shape if self.is_matrix else self.matrix_shape[1:]


def find_places(family: Family, config: DecoderConfig) -> dict[str, Place]:
    """Every tensor that a checkpoint of this family and configuration has, by name."""
    places = {}
    for target, parameter in parameters_of(abstract_decoder(config, dtype=jnp.float32)).items():
        name, shape = family.weights[target], parameter.shape
        if "{layer}" in name:
            for layer in range(config.num_layers):
                places[name.format(layer=layer)] = Place(target, layer, shape)
        else:
            places[name] = Place(target, None, shape)
    return places


def abstract_decoder(config: DecoderConfig, *, dtype: DTypeLike) -> Decoder:
    """A decoder whose parameters are shapes without values."""
    return nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0), dtype=dtype))


def parameters_of(decoder: Decoder) -> dict[str, nnx.Param[Any]]:
    """The decoder's parameters by dotted path."""
    return {".".join(map(str, path)): leaf for path, leaf in nnx.iter_graph(decoder) if isinstance(leaf, nnx.Param)}
