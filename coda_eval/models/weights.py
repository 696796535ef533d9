"""From safetensors files to the decoder's parameters and back, strictly.

Every tensor of the files must have a place and every place a tensor of the right shape: anything else is an error that
names the tensor and both shapes, before a byte of the weights is read. Tensors are read in pieces, cast or quantized
where need be, into their (layer-stacked) parameter on its devices: the host never holds a second copy of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jax.typing import DTypeLike
from safetensors.numpy import save_file

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.assembly import COMPUTE_DTYPES, ShardingRule, assemble
from coda_eval.models.decoder import Decoder
from coda_eval.models.families import Family
from coda_eval.models.places import Place, abstract_decoder, find_places, parameters_of
from coda_eval.models.tensors import FLOATING, StoredRows, StoredTensor, cut_rows, list_tensors

_READERS = 2
"""Threads: what loading waits for is the memory of the model, fresh from the kernel, and one core gives half of it."""


def find_problems(tensors: Mapping[str, StoredTensor], places: Mapping[str, Place], *, kind: str) -> list[str]:
    """What is wrong with the tensors of a checkpoint, a line each: unmapped, missing, misshapen, of another type."""
    unmapped = sorted(tensors.keys() - places.keys())
    missing = sorted(places.keys() - tensors.keys())
    problems = [f"{tensors[name].file.name}: tensor {name!r} has no place in a {kind}" for name in unmapped]
    problems += [f"tensor {name!r} of shape {places[name].tensor_shape} is missing" for name in missing]
    for name, tensor in tensors.items():
        if name in places and tensor.shape != places[name].tensor_shape:
            expected = places[name].tensor_shape
            problems.append(
                f"{tensor.file.name}: tensor {name!r} has shape {tensor.shape}; config.json asks for {expected}"
            )
        if tensor.dtype not in FLOATING:
            problems.append(
                f"{tensor.file.name}: tensor {name!r} is of type {tensor.dtype}, not {' or '.join(FLOATING)}"
            )
    return problems


def load_decoder(
    directory: Path, config: DecoderConfig, family: Family, *, dtype: str, sharding: ShardingRule | None = None
) -> Decoder:
    """The decoder with the weights of a checkpoint directory.

    Args:
        directory: holds the files.
        config: the architecture.
        family: what the tensors are called.
        dtype: a key of `COMPUTE_DTYPES`, whatever that of the files.
        sharding: where parameters live; on the default device where it is None.

    Raises:
        CheckpointError: a tensor is unmapped, missing, misshapen, or its file is damaged.
    """
    decoder = abstract_decoder(config, dtype=COMPUTE_DTYPES[dtype])
    places = find_places(family, config)
    tensors = family.canonical(list_tensors(directory))
    if problems := find_problems(tensors, places, kind=f"{family.name} model of {config.num_layers} layers"):
        more = f", and {len(problems) - 1} more such" if len(problems) > 1 else ""
        raise CheckpointError(f"{directory}: {problems[0]}{more}; see `coda-eval models inspect`")
    parameters = {
        place.target: assemble(place, dtype=dtype, sharding=sharding) for place in places.values() if not place.layer
    }
    pieces = [
        (places[name], rows)
        for name, tensor in tensors.items()
        for rows in cut_rows(tensor, multiple=places[name].rows_per_index)
    ]

    def load(piece: tuple[Place, StoredRows]) -> None:
        place, rows = piece
        parameters[place.target].write(rows, layer=place.layer or 0, index=rows.first // place.rows_per_index)

    with ThreadPoolExecutor(_READERS) as readers:
        for _ in readers.map(load, pieces):
            pass  # what a thread raised is raised here
    for path, parameter in parameters_of(decoder).items():
        parameter.set_value(parameters.pop(path).finish())
    return decoder


def save_decoder(decoder: Decoder, family: Family, directory: Path, *, dtype: DTypeLike) -> None:
    """Writes `model.safetensors` under the names and layouts of the family, cast to `dtype`."""
    parameters = {path: np.asarray(parameter[...].astype(dtype)) for path, parameter in parameters_of(decoder).items()}
    tensors = {}
    for name, place in find_places(family, decoder.config).items():
        parameter = parameters[place.target]
        tensors[name] = (parameter if place.layer is None else parameter[place.layer]).reshape(place.tensor_shape)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
