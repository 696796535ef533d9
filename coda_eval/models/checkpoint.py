"""A checkpoint directory as a language model that samplers can use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from coda_eval.errors import CheckpointError
from coda_eval.models.alignment import align
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.decoder import Decoder
from coda_eval.models.families import Family, HuggingFaceConfig, family_of, read_field
from coda_eval.models.weights import load_decoder, tensor_names


class CheckpointModel:
    """A loaded checkpoint; satisfies `samplers.language_model.LanguageModel`."""

    def __init__(
        self,
        decoder: Decoder,
        config: DecoderConfig,
        family: Family,
        *,
        fill_id: int,
        pad_id: int,
        stop_ids: tuple[int, ...],
        tokenizer_size: int,
        max_new_tokens: int | None = None,
    ) -> None:
        """`tokenizer_size`: how many ids, from 0, the tokenizer knows; those above are never emitted."""
        self._graph, self._parameters = nnx.split(decoder)
        self.config = config
        self.family = family
        self.fill_id = fill_id
        self.pad_id = pad_id
        self.stop_ids = stop_ids
        self.max_new_tokens = max_new_tokens
        """What `generation_config.json` recommends, if anything."""
        ids = np.arange(config.vocab_size)
        self.emittable = (ids < tokenizer_size) & ((ids != fill_id) | (not family.diffusion))
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
    def max_positions(self) -> int:
        """How long prompt and completion together may be."""
        return self.config.max_positions

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

    def logits(self, parameters: Any, hidden: Float[Array, "B L D"]) -> Float[Array, "B L V"]:
        """Float32."""
        logits: Float[Array, "B L V"] = nnx.merge(self._graph, parameters).head(hidden)
        return logits


def read_config(directory: Path) -> HuggingFaceConfig:
    """`config.json` of a checkpoint directory.

    Raises:
        CheckpointError: it is missing or not a JSON object.
    """
    return _read_json(directory / "config.json")


def load_checkpoint(
    directory: Path, *, dtype: str = "float32", tokenizer_size: int | None = None, extra_stop_ids: Iterable[int] = ()
) -> CheckpointModel:
    """Loads a checkpoint directory in Hugging Face layout.

    Args:
        directory: holds `config.json` and the weights; `generation_config.json` is read where it is there.
        dtype: of the loaded weights, whatever that of the files.
        tokenizer_size: how many ids the tokenizer has; the whole vocabulary where it is None.
        extra_stop_ids: stop tokens that the tokenizer names.

    Raises:
        CheckpointError: a file is missing or damaged, or the model is not one that the package supports.
    """
    hf_config = read_config(directory)
    family = family_of(hf_config)
    config = family.read_config(hf_config, list(tensor_names(directory)))
    generation_file = directory / "generation_config.json"
    generation = _read_json(generation_file) if generation_file.exists() else {}
    stop_ids = sorted({*_ids(hf_config.get("eos_token_id")), *_ids(generation.get("eos_token_id")), *extra_stop_ids})
    if not stop_ids:
        raise CheckpointError(f"{directory}: neither config.json nor the tokenizer names an end-of-text token")
    pad_id = hf_config.get("pad_token_id")
    pad_id = stop_ids[0] if pad_id is None else int(pad_id)
    fill_id = int(read_field(hf_config, "mask_token_id")) if family.diffusion else pad_id
    for name, token in (("mask_token_id", fill_id), ("pad_token_id", pad_id), *(("eos_token_id", i) for i in stop_ids)):
        if not 0 <= token < config.vocab_size:
            raise CheckpointError(f"{directory}: {name} is {token}, outside the vocabulary of {config.vocab_size}")
    if tokenizer_size is not None and tokenizer_size > config.vocab_size:
        raise CheckpointError(
            f"{directory}: the tokenizer has {tokenizer_size} ids, the model a vocabulary of {config.vocab_size}; "
            "they do not belong together"
        )
    return CheckpointModel(
        load_decoder(directory, config, family, dtype=jnp.dtype(dtype)),
        config,
        family,
        fill_id=fill_id,
        pad_id=pad_id,
        stop_ids=tuple(stop_ids),
        tokenizer_size=config.vocab_size if tokenizer_size is None else tokenizer_size,
        max_new_tokens=generation.get("max_new_tokens"),
    )


def checkpoint_sha256(directory: Path) -> str:
    """One hash over the config and the weights, file by file in order of name."""
    digest = hashlib.sha256()
    for file in [directory / "config.json", *sorted({*tensor_names(directory).values()})]:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _ids(value: int | list[int] | None) -> tuple[int, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(value)


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
