"""The safetensors files of a checkpoint directory: which tensors there are, and their contents piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open

from coda_eval.errors import CheckpointError

INDEX = "model.safetensors.index.json"
FLOATING: dict[str, np.dtype[Any]] = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
"""The element types of weights that can be loaded, by what safetensors calls them."""
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
    offset: int
    """Where in the file it begins; its rows follow one another."""


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Some rows of a tensor, as those of a matrix; a vector is one row."""

    tensor: StoredTensor
    first: int
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers in the file."""
        return FLOATING[self.tensor.dtype]

    def read(self) -> Shaped[np.ndarray, "rows columns"]:
        """The rows in new memory."""
        rows = np.empty(self.shape, self.dtype)
        self.read_into(rows)
        return rows

    def read_into(self, memory: Shaped[np.ndarray, "*shape"]) -> None:
        """The rows in memory of their size and type, without a copy on the way.

        Raises:
            CheckpointError: the file cannot be read, or has become shorter.
        """
        left = memory.reshape(-1).view(np.uint8).data
        try:
            with self.tensor.file.open("rb", buffering=0) as stream:
                stream.seek(self.tensor.offset + self.first * self.shape[1] * self.dtype.itemsize)
                while left:
                    if not (count := stream.readinto(left)):
                        raise _damaged(self.tensor.file, f"it ends within {self.tensor.name!r}")
                    left = left[count:]
        except OSError as error:
            raise _damaged(self.tensor.file, error) from error


def list_tensors(directory: Path) -> dict[str, StoredTensor]:
    """The tensors of a checkpoint directory, with or without an index, in the order in which files hold them.

    Raises:
        CheckpointError: no file, one that the index names is missing, one is damaged, or a tensor is in two.
    """
    found: dict[str, StoredTensor] = {}
    for file in weight_files(directory):
        for tensor in sorted(_read_header(file), key=lambda tensor: tensor.offset):
            if tensor.name in found:
                raise CheckpointError(
                    f"tensor {tensor.name!r} is both in {found[tensor.name].file.name} and in {file.name}"
                )
            found[tensor.name] = tensor
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


def cut_rows(tensor: StoredTensor, *, multiple: int) -> Iterator[StoredRows]:
    """A tensor as a matrix, in pieces of `multiple` rows or several times that."""
    rows, columns = tensor.shape if len(tensor.shape) == 2 else (1, *tensor.shape)
    step = multiple * max(1, _PIECE_BYTES // (multiple * columns * FLOATING[tensor.dtype].itemsize))
    for first in range(0, rows, step):
        yield StoredRows(tensor, first, (min(step, rows - first), columns))


def _read_header(file: Path) -> list[StoredTensor]:
    try:
        with safe_open(file, framework="numpy"):  # checks the header against the size of the file
            pass
        with file.open("rb") as stream:  # and does not tell where tensors are
            size = int.from_bytes(stream.read(8), "little")
            header: dict[str, dict[str, Any]] = json.loads(stream.read(size))
    except (SafetensorError, OSError) as error:
        raise _damaged(file, error) from error
    header.pop("__metadata__", None)
    return [
        StoredTensor(name, file, tuple(entry["shape"]), entry["dtype"], 8 + size + entry["data_offsets"][0])
        for name, entry in header.items()
    ]


def _damaged(file: Path, reason: object) -> CheckpointError:
    return CheckpointError(f"{file}: not a whole safetensors file ({reason}); download it again")
