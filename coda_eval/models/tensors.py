"""The safetensors files of a checkpoint directory: which tensors there are, and their contents piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  # registers bfloat16 with numpy, which safetensors needs to read it
import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open

from coda_eval.errors import CheckpointError

INDEX = "model.safetensors.index.json"
FLOATING = {"F32": 4, "F16": 2, "BF16": 2}
"""The element types of weights that can be loaded, as safetensors names them, and their bytes."""
_PIECE_BYTES = 16 * 2**20
"""Large enough that calls cost nothing, small enough that the allocator hands the same memory out again."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file."""

    name: str
    file: Path
    shape: tuple[int, ...]
    dtype: str
    """As safetensors names it: `BF16`."""


def list_tensors(directory: Path) -> dict[str, StoredTensor]:
    """The tensors of a checkpoint directory, with or without an index.

    Raises:
        CheckpointError: no file, one that the index names is missing, one is damaged, or a tensor is in two.
    """
    found: dict[str, StoredTensor] = {}
    for file in weight_files(directory):
        with _opened(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118  # not a dict
                if name in found:
                    raise CheckpointError(f"tensor {name!r} is both in {found[name].file.name} and in {file.name}")
                content = tensors.get_slice(name)
                found[name] = StoredTensor(name, file, tuple(content.get_shape()), content.get_dtype())
    return found


def weight_files(directory: Path) -> list[Path]:
    """The files that hold the weights: those that the index names, or all `model*.safetensors`.

    Raises:
        CheckpointError: there is none, or one that the index names is missing.
    """
    files = sorted(directory.glob("model*.safetensors"))
    index = directory / INDEX
    if index.exists():
        try:
            named = {Path(file).name for file in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{index}: not an index of shards ({error}); download it again") from error
        if missing := sorted(named - {file.name for file in files}):
            raise CheckpointError(f"{directory} lacks {', '.join(missing)}, named in {INDEX}; download it again")
        files = [file for file in files if file.name in named]
    if not files:
        raise CheckpointError(f"{directory} holds no model*.safetensors file; it needs the weights of the model")
    return files


def read_rows(tensor: StoredTensor, *, multiple: int) -> Iterator[tuple[int, Shaped[np.ndarray, "rows columns"]]]:
    """A tensor as a matrix, in pieces of `multiple` rows or several times that, each with the number of its first row.

    A vector is one row.

    The file is opened for one tensor at a time, since the pages of an open file that have been read stay in memory.
    """
    with _opened(tensor.file) as tensors:
        content = tensors.get_slice(tensor.name)
        if len(tensor.shape) < 2:
            yield 0, content[:][None, :]
            return
        rows, columns = tensor.shape
        step = multiple * max(1, _PIECE_BYTES // (multiple * columns * FLOATING[tensor.dtype]))
        for first in range(0, rows, step):
            yield first, content[first : min(first + step, rows)]


def _opened(file: Path) -> Any:
    try:
        return safe_open(file, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file}: not a whole safetensors file ({error}); download it again") from error
