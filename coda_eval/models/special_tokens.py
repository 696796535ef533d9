"""The tokens that mean something to a sampler: where a checkpoint names them, and whether its files agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from coda_eval.errors import CheckpointError
from coda_eval.models.families import Family, HuggingFaceConfig


@runtime_checkable
class Vocabulary(Protocol):
    """What is asked of a tokenizer."""

    def __len__(self) -> int:
        """How many ids there are, from 0."""

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Its end-of-text token, if it names one."""

    @property
    def mask_id(self) -> int | None:
        """Its mask token, if it names one."""

    def token_id(self, token: str) -> int | None:
        """The id of a token, if there is such a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokens:
    """Ids, all inside the vocabulary."""

    mask_id: int | None
    """What stands for a token not yet written; None for autoregressive models."""
    pad_id: int
    stop_ids: tuple[int, ...]


def find_special_tokens(
    config: HuggingFaceConfig,
    generation: HuggingFaceConfig,
    family: Family,
    tokenizer: Vocabulary | None,
    *,
    vocabulary_size: int,
) -> SpecialTokens:
    """What `config.json`, `generation_config.json` and the tokenizer say together.

    Raises:
        CheckpointError: they contradict each other, say too little, or name tokens that the vocabulary does not have.
    """
    if tokenizer is not None and len(tokenizer) > vocabulary_size:
        raise CheckpointError(
            f"the tokenizer has {len(tokenizer)} ids, the model a vocabulary of {vocabulary_size}; "
            "they do not belong together"
        )
    stop_ids = {*_ids(config, "eos_token_id"), *_ids(generation, "eos_token_id")}
    if tokenizer is not None:
        named = (tokenizer.token_id(token) for token in family.stop_tokens)
        stop_ids |= {*tokenizer.stop_ids, *(token for token in named if token is not None)}
    if not stop_ids:
        raise CheckpointError("neither config.json nor the tokenizer names an end-of-text token")
    mask_id = _mask_id(config, family, tokenizer) if family.diffusion else None
    # Padding is invisible, so that any token does.
    pad_id = next(iter(_ids(config, "pad_token_id")), min(stop_ids))
    named_ids = [("mask_token_id", mask_id), ("pad_token_id", pad_id), *(("eos_token_id", token) for token in stop_ids)]
    for name, token in named_ids:
        if token is not None and not 0 <= token < vocabulary_size:
            raise CheckpointError(f"{name} is {token}, outside the vocabulary of {vocabulary_size}")
    if mask_id is not None and mask_id in {pad_id, *stop_ids}:
        raise CheckpointError(f"the mask token {mask_id} is also the padding or the end of a text; they must differ")
    return SpecialTokens(mask_id=mask_id, pad_id=pad_id, stop_ids=tuple(sorted(stop_ids)))


def _mask_id(config: HuggingFaceConfig, family: Family, tokenizer: Vocabulary | None) -> int:
    configured = next(iter(_ids(config, "mask_token_id")), None)
    named = None
    if tokenizer is not None:
        named = tokenizer.token_id(family.mask_token) if tokenizer.mask_id is None else tokenizer.mask_id
    if configured is None and named is None:
        raise CheckpointError(
            f"config.json has no 'mask_token_id' and the tokenizer no {family.mask_token!r}; "
            f"model_type {family.name!r} needs a mask token"
        )
    if configured is not None and named is not None and configured != named:
        raise CheckpointError(
            f"config.json has mask_token_id = {configured}, the tokenizer has {named}; one of them is another model's"
        )
    return named if configured is None else configured  # type: ignore[return-value]


def _ids(config: HuggingFaceConfig, field: str) -> tuple[int, ...]:
    value: Any = config.get(field)
    ids = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(token, int) for token in ids):
        raise CheckpointError(f"{field} is {value!r}; a token id or a list of them is expected")
    return tuple(ids)
