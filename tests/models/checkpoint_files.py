"""Changing the files of a checkpoint in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

Tensors = dict[str, np.ndarray[Any, Any]]
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def read_tensors(directory: Path, file: str = WEIGHTS) -> Tensors:
    """The tensors of one file."""
    tensors: Tensors = load_file(directory / file)
    return tensors


def write_tensors(directory: Path, tensors: Tensors, *, file: str = WEIGHTS) -> None:
    """Writes one file of weights."""
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, directory / file)


def shard(directory: Path, *, index: bool) -> list[str]:
    """Splits the weights into two files; returns their names."""
    tensors = read_tensors(directory)
    (directory / WEIGHTS).unlink()
    files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    halves = [dict(list(tensors.items())[half::2]) for half in (0, 1)]
    for file, part in zip(files, halves, strict=True):
        write_tensors(directory, part, file=file)
    if index:
        weight_map = {name: file for file, part in zip(files, halves, strict=True) for name in part}
        (directory / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return files


def change_config(directory: Path, file: str = "config.json", /, **fields: Any) -> None:
    """Sets fields of a JSON file; None removes one."""
    path = directory / file
    content = json.loads(path.read_text()) if path.exists() else {}
    content = {name: value for name, value in {**content, **fields}.items() if value is not None}
    path.write_text(json.dumps(content))
