"""A checkpoint directory as a language model that samplers can use."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from coda_eval.errors import CheckpointError
from coda_eval.models.alignment import align, align_window, raw_window
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.assembly import ShardingRule
from coda_eval.models.attention import KeyValues
from coda_eval.models.decoder import Decoder
from coda_eval.models.families import Family, HuggingFaceConfig, family_of, text_fields
from coda_eval.models.orbax_checkpoint import find_orbax, load_orbax, stored_parameters
from coda_eval.models.special_tokens import SpecialTokens, Vocabulary, find_special_tokens
from coda_eval.models.tensors import list_tensors, weight_files
from coda_eval.models.weights import load_decoder


class CheckpointModel:
    """A loaded checkpoint; satisfies `samplers.language_model.LanguageModel`."""

    def __init__(
        self,
        decoder: Decoder,
        config: DecoderConfig,
        family: Family,
        special: SpecialTokens,
        *,
        tokenizer_size: int,
        max_new_tokens: int | None = None,
    ) -> None:
        """`tokenizer_size`: how many ids, from 0, the tokenizer knows; those above are never emitted."""
        self._graph, self._parameters = nnx.split(decoder)
        self.config = config
        self.family = family
        self.fill_id = special.pad_id if special.mask_id is None else special.mask_id
        self.pad_id = special.pad_id
        self.stop_ids = special.stop_ids
        self.max_new_tokens = max_new_tokens
        """What `generation_config.json` recommends, if anything."""
        ids = np.arange(config.vocab_size)
        self.emittable = (ids < tokenizer_size) & (ids != (-1 if special.mask_id is None else special.mask_id))
        """[V]: ids that may be emitted; not the mask token, and none that the tokenizer does not have."""

    @property
    def parameters(self) -> Any:
        """The weights."""
        return self._parameters

    @property
    def causal(self) -> bool:
        """No position sees a later one."""
        return self.config.causal

    @property
    def vocabulary_parts(self) -> int:
        """Stretches of ids of equal length that devices may share out among them; 1 for a small vocabulary."""
        return self.config.vocabulary_parts

    @property
    def max_positions(self) -> int:
        """How long prompt and completion together may be."""
        return self.config.max_positions

    def attention_kernel(self, length: int) -> str:
        """By which a forward over all of so many columns attends: `splash`, `cudnn` or `xla`."""
        kernel: str = nnx.merge(self._graph, self._parameters).attention_kernel(length)
        return kernel

    def hidden(
        self,
        parameters: Any,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        key_mask: Bool[Array, "B L"],
    ) -> Float[Array, "B L D"]:
        """Hidden states whose row p predicts position p."""
        decoder = nnx.merge(self._graph, parameters)
        return align(decoder(tokens, positions, key_mask), shifted=self.family.shifted_logits)

    def prefill(
        self,
        parameters: Any,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        key_mask: Bool[Array, "B L"],
    ) -> tuple[Float[Array, "B L D"], KeyValues]:
        """As `hidden`, and the keys and values of every layer and column, for `window`."""
        hidden, cache = nnx.merge(self._graph, parameters).prefill(tokens, positions, key_mask)
        return align(hidden, shifted=self.family.shifted_logits), cache

    def window(
        self,
        parameters: Any,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        key_mask: Bool[Array, "B L"],
        cache: KeyValues,
        start: Int[Array, " B"],
        write_from: Int[Array, " B"],
        *,
        width: int,
    ) -> tuple[Float[Array, "B width D"], KeyValues]:
        """Hidden states whose row j predicts column start + j, and the cache with the window's columns renewed.

        Where outputs are shifted, the column before the window is computed and renewed with it.

        Args:
            parameters: the weights.
            tokens: of all columns; outside the window the cache stands for them.
            positions: of all columns.
            key_mask: of all columns; may differ from that of earlier calls.
            cache: what `prefill` or `window` gave.
            start: the first column that is predicted, of each row; at most L - width.
            write_from: nothing that predicts columns before this one is renewed; L renews nothing.
            width: static.
        """
        shifted = self.family.shifted_logits
        raw = raw_window(start, width=width, length=tokens.shape[1], shifted=shifted, causal=self.causal)
        hidden, cache = nnx.merge(self._graph, parameters).window(
            tokens, positions, key_mask, cache, raw.start, write_from - int(shifted), width=raw.width
        )
        return align_window(hidden, raw, start, width=width, shifted=shifted), cache

    def logits(self, parameters: Any, hidden: Float[Array, "*axes D"]) -> Float[Array, "*axes V"]:
        """Float32."""
        logits: Float[Array, "*axes V"] = nnx.merge(self._graph, parameters).head(hidden)
        return logits

    def head_chunk(
        self,
        parameters: Any,
        hidden: Float[Array, "N D"],
        part: Int[Array, ""],
        start: Int[Array, ""],
        *,
        parts: int,
        size: int,
    ) -> Float[Array, "parts size N"]:
        """Float32 logits of some parts of the vocabulary, the first of them `part`: of each `size` ids from `start`."""
        decoder = nnx.merge(self._graph, parameters)
        logits: Float[Array, "parts size N"] = decoder.head_chunk(hidden, part, start, parts=parts, size=size)
        return logits


def read_config(directory: Path) -> HuggingFaceConfig:
    """`config.json` of a checkpoint directory.

    Raises:
        CheckpointError: it is missing or not a JSON object.
    """
    return _read_json(directory / "config.json")


def read_generation_config(directory: Path) -> HuggingFaceConfig:
    """`generation_config.json` of a checkpoint directory; empty where there is none.

    Raises:
        CheckpointError: it is not a JSON object.
    """
    file = directory / "generation_config.json"
    return _read_json(file) if file.exists() else {}


def load_checkpoint(
    directory: Path,
    *,
    dtype: str = "float32",
    tokenizer: Vocabulary | None = None,
    sharding: ShardingRule | None = None,
    platform: str | None = None,
) -> CheckpointModel:
    """Loads a checkpoint directory in Hugging Face layout; an Orbax checkpoint may stand for the safetensors files.

    Args:
        directory: holds `config.json` and the weights; `generation_config.json` is read where it is there.
        dtype: `float32`, `bfloat16` or `int8`, whatever that of the files.
        tokenizer: knows special tokens, and which ids there are; every id of the vocabulary is one where it is None.
        sharding: where parameters live; on the default device where it is None. Of safetensors files only.
        platform: whose attention kernels are used where they apply; None: no one's.

    Raises:
        CheckpointError: a file is missing or damaged, files contradict each other, or the model is not one that the
            package supports.
    """
    hf_config = text_fields(read_config(directory))
    family = family_of(hf_config)
    orbax = find_only_orbax(directory)
    if orbax is None:
        config = family.read_config(hf_config, family.canonical(list_tensors(directory)))
    else:
        names = [family.weights[path] for path in stored_parameters(orbax) if path in family.weights]
        config = family.read_config(hf_config, names)
    generation = read_generation_config(directory)
    try:
        special = find_special_tokens(hf_config, generation, family, tokenizer, vocabulary_size=config.vocab_size)
    except CheckpointError as error:
        raise CheckpointError(f"{directory}: {error}") from error
    if orbax is None:
        decoder = load_decoder(directory, config, family, dtype=dtype, sharding=sharding)
    else:
        decoder = load_orbax(orbax, config, dtype=dtype)
    decoder.platform = platform
    return CheckpointModel(
        decoder,
        config,
        family,
        special,
        tokenizer_size=config.vocab_size if tokenizer is None else len(tokenizer),
        max_new_tokens=generation.get("max_new_tokens"),
    )


def checkpoint_sha256(directory: Path) -> str:
    """One hash over the config and the weights, file by file in order of name."""
    digest = hashlib.sha256()
    orbax = find_only_orbax(directory)
    weights = weight_files(directory) if orbax is None else sorted(file for file in orbax.rglob("*") if file.is_file())
    for file in [directory / "config.json", *weights]:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def find_only_orbax(directory: Path) -> Path | None:
    """The Orbax checkpoint that stands for the safetensors files, if there is one.

    Raises:
        CheckpointError: both are there.
    """
    orbax = find_orbax(directory)
    if orbax is not None and any(directory.glob("model*.safetensors")):
        raise CheckpointError(f"{directory} holds both safetensors files and an Orbax checkpoint; remove one of them")
    return orbax


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{file} is missing; a model directory has one") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read as JSON ({error}); download it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} holds a {type(content).__name__}; a JSON object was expected")
    return content
