"""From safetensors files to the decoder's parameters and back, strictly.

Every tensor of the files must have a place and every place a tensor of the right shape: anything else is an error that
names the tensor and both shapes. Tensors are read one at a time, cast, and written into their (layer-stacked) parameter
on the device, so that the host never holds a second copy of the model.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes  # noqa: F401  # registers bfloat16 with numpy, which safetensors needs to read it
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Int, Shaped
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.decoder import Decoder
from coda_eval.models.families import Family

_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one tensor goes: a parameter, or one layer of a stacked one."""

    target: str
    layer: int | None
    layout: str
    parameter_shape: tuple[int, ...]
    """Without the layer axis."""

    @property
    def tensor_shape(self) -> tuple[int, ...]:
        shape = self.parameter_shape
        match self.layout:
            case "linear":
                return (shape[1], shape[0])
            case "heads_out":
                return (shape[1] * shape[2], shape[0])
            case "heads_in":
                return (shape[2], shape[0] * shape[1])
            case _:
                return shape

    def to_parameter(self, tensor: Shaped[np.ndarray, ...]) -> Shaped[np.ndarray, ...]:
        return tensor if self.layout == "same" else tensor.T.reshape(self.parameter_shape)

    def to_tensor(self, parameter: Shaped[np.ndarray, ...]) -> Shaped[np.ndarray, ...]:
        if self.layout == "same":
            return parameter
        rows, columns = self.tensor_shape
        return np.ascontiguousarray(parameter.reshape(columns, rows).T)


def tensor_names(directory: Path) -> dict[str, Path]:
    """The tensors of a checkpoint directory and the file that each is in, with or without an index.

    Raises:
        CheckpointError: no file, one that the index names is missing, one is damaged, or a tensor is in two.
    """
    files = sorted(directory.glob("model*.safetensors"))
    index = directory / _INDEX
    if index.exists():
        try:
            named = set(json.loads(index.read_text())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{index}: not an index of shards ({error}); download it again") from error
        if missing := sorted(named - {file.name for file in files}):
            raise CheckpointError(
                f"{directory} lacks {', '.join(missing)}, named in {_INDEX}; download the checkpoint again"
            )
        files = [file for file in files if file.name in named]
    if not files:
        raise CheckpointError(f"{directory} holds no model*.safetensors file; it needs the weights of the model")
    found: dict[str, Path] = {}
    for file in files:
        with _opened(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118  # not a dict
                if name in found:
                    raise CheckpointError(f"tensor {name!r} is both in {found[name].name} and in {file.name}")
                found[name] = file
    return found


def load_decoder(directory: Path, config: DecoderConfig, family: Family, *, dtype: DTypeLike) -> Decoder:
    """The decoder with the weights of a checkpoint directory, cast to `dtype`.

    Raises:
        CheckpointError: a tensor is unmapped, missing, misshapen, or its file is damaged.
    """
    decoder = nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0), dtype=dtype))
    shapes = {path: parameter.shape for path, parameter in _parameters(decoder).items()}
    places = _places(family, config, shapes)
    files = tensor_names(directory)
    if unmapped := sorted(files.keys() - places.keys()):
        raise CheckpointError(
            f"{files[unmapped[0]]}: tensor {unmapped[0]!r} has no place in a {family.name} model of "
            f"{config.num_layers} layers" + _and_more(unmapped)
        )
    if missing := sorted(places.keys() - files.keys()):
        raise CheckpointError(
            f"{directory}: tensor {missing[0]!r} of shape {places[missing[0]].tensor_shape} is missing"
            + _and_more(missing)
        )
    values = {path: jnp.zeros(shape, dtype) for path, shape in shapes.items()}
    for name, tensor in _read_tensors(files):
        place = places[name]
        if tensor.shape != place.tensor_shape:
            raise CheckpointError(
                f"{files[name]}: tensor {name!r} has shape {tensor.shape}; config.json asks for {place.tensor_shape}"
            )
        parameter = jnp.asarray(place.to_parameter(tensor), dtype)
        if place.layer is None:
            values[place.target] = parameter
        else:
            values[place.target] = _write_layer(values[place.target], parameter, place.layer)
    for path, slot in _parameters(decoder).items():
        slot.set_value(values[path])
    return decoder


def save_decoder(decoder: Decoder, family: Family, directory: Path, *, dtype: DTypeLike) -> None:
    """Writes `model.safetensors` under the names and layouts of the family, cast to `dtype`."""
    parameters = {path: np.asarray(parameter[...].astype(dtype)) for path, parameter in _parameters(decoder).items()}
    places = _places(family, decoder.config, {path: value.shape for path, value in parameters.items()})
    tensors = {}
    for name, place in places.items():
        value = parameters[place.target]
        tensors[name] = place.to_tensor(value if place.layer is None else value[place.layer])
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def _parameters(decoder: Decoder) -> dict[str, nnx.Param[Any]]:
    """The decoder's parameters by dotted path."""
    return {".".join(map(str, path)): leaf for path, leaf in nnx.iter_graph(decoder) if isinstance(leaf, nnx.Param)}


def _places(family: Family, config: DecoderConfig, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, _Place]:
    """Every tensor that a checkpoint of this family and configuration has."""
    places = {}
    for rule in family.weights:
        if rule.target not in shapes:  # a tied head, say
            continue
        shape = shapes[rule.target]
        if "{layer}" in rule.name:
            for layer in range(config.num_layers):
                places[rule.name.format(layer=layer)] = _Place(rule.target, layer, rule.layout, shape[1:])
        else:
            places[rule.name] = _Place(rule.target, None, rule.layout, shape)
    return places


def _read_tensors(files: Mapping[str, Path]) -> Iterator[tuple[str, Shaped[np.ndarray, ...]]]:
    for file in sorted(set(files.values())):
        with _opened(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118  # not a dict
                yield name, tensors.get_tensor(name)


def _opened(file: Path) -> Any:
    try:
        return safe_open(file, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file}: not a whole safetensors file ({error}); download it again") from error


def _and_more(names: list[str]) -> str:
    return f", and {len(names) - 1} more" if len(names) > 1 else ""


@functools.partial(jax.jit, donate_argnames="stack")
def _write_layer(stack: jax.Array, value: jax.Array, layer: int | Int[Array, ""]) -> jax.Array:
    updated: jax.Array = jax.lax.dynamic_update_index_in_dim(stack, value, layer, 0)
    return updated
