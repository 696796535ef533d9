"""What a checkpoint is, without loading it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from coda_eval.errors import CheckpointError
from coda_eval.models.assembly import COMPUTE_DTYPES
from coda_eval.models.checkpoint import read_config, read_generation_config
from coda_eval.models.families import family_of, text_fields
from coda_eval.models.places import Place, find_places
from coda_eval.models.special_tokens import SpecialTokens, Vocabulary, find_special_tokens
from coda_eval.models.tensors import list_tensors
from coda_eval.models.weights import find_problems

_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A checkpoint directory, as far as its files say without their contents."""

    family: str
    """The `model_type`."""
    kind: str
    """`masked diffusion` or `autoregressive`."""
    layers: int
    hidden_size: int
    vocabulary: int
    max_positions: int
    parameters: int
    """That the architecture has; a tied head counts once."""
    tied_head: bool
    dtypes: dict[str, int]
    """How many tensors of each type, as safetensors names it."""
    files: dict[str, int]
    """The weight files and their bytes."""
    special_tokens: SpecialTokens | None
    """None where the files contradict each other; `problems` says how."""
    weights_bytes: dict[str, int]
    """In memory, for each dtype that they can be loaded as."""
    cache_bytes_per_token: dict[str, int]
    """Keys and values of all layers, for each dtype."""
    problems: tuple[str, ...]
    """Why it cannot be loaded: tensors that are missing, extra or misshapen, contradictions between its files."""


def inspect_checkpoint(directory: Path, tokenizer: Vocabulary | None) -> Inspection:
    """Reads the configuration and the headers of the weight files.

    Raises:
        CheckpointError: they are missing, damaged, or of a kind that is not supported.
    """
    hf_config = text_fields(read_config(directory))
    family = family_of(hf_config)
    tensors = family.canonical(list_tensors(directory))
    config = family.read_config(hf_config, tensors)
    places = find_places(family, config)
    problems = find_problems(tensors, places, kind=f"{family.name} model of {config.num_layers} layers")
    special = None
    try:
        special = find_special_tokens(
            hf_config, read_generation_config(directory), family, tokenizer, vocabulary_size=config.vocab_size
        )
    except CheckpointError as error:
        problems.append(str(error))
    cached = 2 * config.num_layers * config.num_kv_heads * config.head_dim
    return Inspection(
        family=family.name,
        kind="masked diffusion" if family.diffusion else "autoregressive",
        layers=config.num_layers,
        hidden_size=config.hidden_size,
        vocabulary=config.vocab_size,
        max_positions=config.max_positions,
        parameters=config.num_parameters,
        tied_head=config.tied_head,
        dtypes=dict(Counter(tensor.dtype for tensor in tensors.values())),
        files={file.name: file.stat().st_size for file in sorted({tensor.file for tensor in tensors.values()})},
        special_tokens=special,
        weights_bytes={dtype: sum(_size(place, dtype) for place in places.values()) for dtype in COMPUTE_DTYPES},
        cache_bytes_per_token={dtype: cached * _BYTES[COMPUTE_DTYPES[dtype]] for dtype in COMPUTE_DTYPES},
        problems=tuple(problems),
    )


def _size(place: Place, dtype: str) -> int:
    """Bytes of one tensor in memory."""
    rows, columns = place.matrix_shape
    if dtype == "int8" and place.is_matrix:
        return rows * (columns + 4)  # and a scale in float32 for each row
    return rows * columns * _BYTES[COMPUTE_DTYPES[dtype]]
