"""The model that a plan is made for, from a reference, without its weights."""

from __future__ import annotations

from dataclasses import dataclass

from coda_eval.models.abstract import abstract_model
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.assembly import ShardingRule
from coda_eval.models.checkpoint import CheckpointModel, read_config, read_generation_config
from coda_eval.models.families import Family, HuggingFaceConfig, family_of, text_fields
from coda_eval.models.references import resolve_model
from coda_eval.models.shapes import SHAPES
from coda_eval.models.special_tokens import SpecialTokens, find_special_tokens
from coda_eval.models.tensors import list_tensors


@dataclass(frozen=True, slots=True)
class Subject:
    """An architecture and what belongs to it."""

    name: str
    config: DecoderConfig
    family: Family
    special: SpecialTokens

    def model(
        self, *, dtype: str, sharding: ShardingRule | None = None, platform: str | None = None
    ) -> CheckpointModel:
        """With shapes for weights; arguments as of `abstract_model`."""
        return abstract_model(self.config, self.family, self.special, dtype=dtype, sharding=sharding, platform=platform)


def find_subject(reference: str) -> Subject:
    """A published shape by name, or a checkpoint: embedded, a directory, a hub id. Only headers are read.

    Raises:
        CheckpointError: it is none of them, or cannot be used.
    """
    if reference in SHAPES:
        shape = SHAPES[reference]
        return _subject(reference, shape.config, {}, shape.architecture)
    directory = resolve_model(reference)
    hf_config = text_fields(read_config(directory))
    family = family_of(hf_config)
    config = family.read_config(hf_config, family.canonical(list_tensors(directory)))
    return _subject(reference, hf_config, read_generation_config(directory), config)


def _subject(name: str, hf_config: HuggingFaceConfig, generation: HuggingFaceConfig, config: DecoderConfig) -> Subject:
    family = family_of(hf_config)
    special = find_special_tokens(hf_config, generation, family, None, vocabulary_size=config.vocab_size)
    return Subject(name, config, family, special)
