"""Checkpoints with random weights, in the layout of any family: for tests, benches, and people without the weights."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from jaxtyping import Shaped
from safetensors.numpy import save_file

from coda_eval.errors import ConfigError, StoreError
from coda_eval.models.families import family_of
from coda_eval.models.places import Place, find_places
from coda_eval.models.shapes import Shape
from coda_eval.models.special_tokens import Vocabulary
from coda_eval.models.tensors import INDEX

SHARD_BYTES = 2 * 2**30
"""A file is ended when it would grow beyond this; one is held in memory at a time."""

_DTYPES = {"float32": np.dtype(np.float32), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
_LLADA_FIELDS = {
    "num_hidden_layers": "n_layers",
    "hidden_size": "d_model",
    "intermediate_size": "mlp_hidden_size",
    "num_attention_heads": "n_heads",
    "num_key_value_heads": "n_kv_heads",
}


def resize(
    shape: Shape, *, layers: int | None = None, hidden: int | None = None, vocabulary: int | None = None
) -> Shape:
    """A model of the same make in other sizes; what is None stays.

    Heads keep their width where four fit and are a quarter of the model's width otherwise. With another vocabulary, the
    special tokens are its last ids.

    Raises:
        ConfigError: the sizes do not fit together.
    """
    fields: dict[str, Any] = {}
    if layers is not None:
        fields["num_hidden_layers"] = _at_least("--layers", layers, 1)
    if hidden is not None:
        fields |= _widths(shape, _at_least("--hidden", hidden, 8))
    if vocabulary is not None:
        last = _at_least("--vocabulary", vocabulary, 8) - 1
        fields |= {"vocab_size": vocabulary, "eos_token_id": last, "pad_token_id": last - 1, "mask_token_id": last - 2}
        fields["embedding_size"] = vocabulary
    if shape.config["model_type"] == "llada":
        fields = {_LLADA_FIELDS.get(name, name): value for name, value in fields.items()}
    # Fields that the family does not have stay away: a head width that follows from the others, say.
    return dataclasses.replace(
        shape, config={**shape.config, **{name: value for name, value in fields.items() if name in shape.config}}
    )


def speak(shape: Shape, tokenizer: Vocabulary) -> Shape:
    """The same model with the special tokens of a tokenizer.

    Raises:
        ConfigError: the tokenizer does not fit the vocabulary, or lacks a token that the model needs.
    """
    family, size = family_of(shape.config), shape.architecture.vocab_size
    if len(tokenizer) > size:
        raise ConfigError(
            f"the tokenizer has {len(tokenizer)} ids, the model {size}; give --vocabulary {len(tokenizer)}"
        )
    mask_id = tokenizer.token_id(family.mask_token) if tokenizer.mask_id is None else tokenizer.mask_id
    if not tokenizer.stop_ids or (family.diffusion and mask_id is None):
        raise ConfigError(f"the tokenizer names no end-of-text or no mask token, which a {family.name} model needs")
    end = tokenizer.stop_ids[0]
    masked = {"mask_token_id": mask_id} if family.diffusion else {}
    return dataclasses.replace(shape, config={**shape.config, "eos_token_id": end, "pad_token_id": end, **masked})


def write_random_checkpoint(shape: Shape, directory: Path, *, dtype: str, seed: int) -> None:
    """Writes `config.json` and the weights, in shards where they are large.

    Matrices are normal with the variance that keeps activations of order one, so that logits are too.

    Raises:
        StoreError: the directory holds something already, or cannot be written.
    """
    family = family_of(shape.config)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise StoreError(f"{directory} exists and is not an empty directory; choose another --out")
    places = find_places(family, shape.architecture)
    shards = list(_shards(places, _DTYPES[dtype].itemsize))
    names = [
        "model.safetensors" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        for number in range(1, len(shards) + 1)
    ]
    random = np.random.default_rng(seed)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file, shard in zip(names, shards, strict=True):
            tensors = {
                name: _draw(places[name], random, around=0.0 if shape.architecture.norm_adds_one else 1.0).astype(
                    _DTYPES[dtype]
                )
                for name in shard
            }
            save_file(tensors, directory / file, metadata={"format": "pt"})
            (directory / file).chmod(0o644)  # safetensors makes files that only their owner can read
        if len(shards) > 1:
            weight_map = {name: file for file, shard in zip(names, shards, strict=True) for name in shard}
            size = sum(math.prod(place.tensor_shape) for place in places.values()) * _DTYPES[dtype].itemsize
            _write_json(directory / INDEX, {"metadata": {"total_size": size}, "weight_map": weight_map})
        _write_json(directory / "config.json", {**shape.config, "torch_dtype": dtype})
    except OSError as error:
        raise StoreError(f"{directory} cannot be written ({error.strerror}); choose another --out") from error


def _at_least(option: str, value: int, least: int) -> int:
    if value < least:
        raise ConfigError(f"{option} is {value}; it must be at least {least}")
    return value


def _widths(shape: Shape, hidden: int) -> dict[str, int]:
    published = shape.architecture
    head_dim = published.head_dim if hidden >= 4 * published.head_dim else hidden // 4
    if hidden % head_dim or head_dim % 2:
        raise ConfigError(
            f"--hidden is {hidden}; it must be a multiple of {head_dim + head_dim % 2}, the width of a head"
        )
    heads = hidden // head_dim
    kv_heads = max(1, heads * published.num_kv_heads // published.num_heads)
    return {
        "hidden_size": hidden,
        "intermediate_size": max(8, hidden * published.intermediate_size // published.hidden_size // 8 * 8),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads if heads % kv_heads == 0 else 1,
        "head_dim": head_dim,
        "query_pre_attn_scalar": head_dim,
    }


def _shards(places: dict[str, Place], itemsize: int) -> Iterator[list[str]]:
    shard: list[str] = []
    filled = 0
    for name, place in places.items():
        size = math.prod(place.tensor_shape) * itemsize
        if shard and filled + size > SHARD_BYTES:
            yield shard
            shard, filled = [], 0
        shard.append(name)
        filled += size
    yield shard


def _draw(place: Place, random: np.random.Generator, *, around: float) -> Shaped[np.ndarray, "*shape"]:
    values = random.standard_normal(place.tensor_shape, dtype=np.float32)
    if place.is_matrix:
        values /= math.sqrt(place.tensor_shape[1])
    else:
        values *= 0.1
        values += around if place.target.endswith("scale") else 0
    return values


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
