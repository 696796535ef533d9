"""What a checkpoint is, without loading it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.assembly import COMPUTE_DTYPES
from coda_eval.models.checkpoint import find_only_orbax, read_config, read_generation_config
from coda_eval.models.families import Family, HuggingFaceConfig, family_of, text_fields
from coda_eval.models.orbax_checkpoint import find_orbax_problems, stored_parameters
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
    """How many tensors of each type, as their file names it: `BF16`, or `bfloat16` of Orbax."""
    left_out: dict[str, int]
    """How many tensors of parts beside the language model, by the name of the part: those are not loaded."""
    files: dict[str, int]
    """The weight files, or the directory of the Orbax checkpoint, and their bytes."""
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
    orbax = find_only_orbax(directory)
    weights = _of_safetensors(directory, hf_config, family) if orbax is None else _of_orbax(orbax, hf_config, family)
    config, problems = weights.config, weights.problems
    places = find_places(family, config)
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
        dtypes=weights.dtypes,
        left_out=weights.left_out,
        files=weights.files,
        special_tokens=special,
        weights_bytes={dtype: sum(_size(place, dtype) for place in places.values()) for dtype in weights.loadable_as},
        cache_bytes_per_token={dtype: cached * _BYTES[COMPUTE_DTYPES[dtype]] for dtype in COMPUTE_DTYPES},
        problems=tuple(problems),
    )


@dataclass(frozen=True, slots=True)
class _Weights:
    """What the files of the weights say."""

    config: DecoderConfig
    dtypes: dict[str, int]
    left_out: dict[str, int]
    files: dict[str, int]
    loadable_as: tuple[str, ...]
    problems: list[str]


def _of_safetensors(directory: Path, hf_config: HuggingFaceConfig, family: Family) -> _Weights:
    stored = list_tensors(directory)
    tensors = family.canonical(stored)
    config = family.read_config(hf_config, tensors)
    parts = (name.removeprefix("model.").partition(".")[0] for name in family.left_out(stored))
    return _Weights(
        config,
        dtypes=dict(Counter(tensor.dtype for tensor in tensors.values())),
        left_out=dict(Counter(parts)),
        files={file.name: file.stat().st_size for file in sorted({tensor.file for tensor in stored.values()})},
        loadable_as=tuple(COMPUTE_DTYPES),
        problems=find_problems(
            tensors, find_places(family, config), kind=f"{family.name} model of {config.num_layers} layers"
        ),
    )


def _of_orbax(checkpoint: Path, hf_config: HuggingFaceConfig, family: Family) -> _Weights:
    stored = stored_parameters(checkpoint)
    config = family.read_config(hf_config, [family.weights[path] for path in stored if path in family.weights])
    return _Weights(
        config,
        dtypes=dict(Counter(str(parameter.dtype) for parameter in stored.values())),
        left_out={},
        files={checkpoint.name: sum(file.stat().st_size for file in checkpoint.rglob("*") if file.is_file())},
        loadable_as=tuple(dtype for dtype in COMPUTE_DTYPES if dtype != "int8"),
        problems=find_orbax_problems(stored, config),
    )


def _size(place: Place, dtype: str) -> int:
    """Bytes of one tensor in memory."""
    rows, columns = place.matrix_shape
    if dtype == "int8" and place.is_matrix:
        return rows * (columns + 4)  # and a scale in float32 for each row
    return rows * columns * _BYTES[COMPUTE_DTYPES[dtype]]
