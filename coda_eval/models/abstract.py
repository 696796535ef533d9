"""Models without weights: what the compiler needs to know of them, and what a plan is made from."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.assembly import COMPUTE_DTYPES, ShardingRule
from coda_eval.models.checkpoint import CheckpointModel
from coda_eval.models.families import Family
from coda_eval.models.linear import Int8Weight
from coda_eval.models.places import Place, abstract_decoder, find_places, parameters_of
from coda_eval.models.special_tokens import SpecialTokens


def abstract_model(
    config: DecoderConfig,
    family: Family,
    special: SpecialTokens,
    *,
    dtype: str,
    sharding: ShardingRule | None = None,
    platform: str | None = None,
) -> CheckpointModel:
    """A model whose parameters are shapes, as `load_checkpoint` would load them; every id may be emitted.

    Args:
        config: the architecture.
        family: how its outputs are aligned.
        special: its special tokens.
        dtype: a key of `COMPUTE_DTYPES`.
        sharding: where the parameters would live.
        platform: whose attention kernels are used where they apply; None: no one's.
    """
    decoder = abstract_decoder(config, dtype=COMPUTE_DTYPES[dtype])
    decoder.platform = platform
    places = {place.target: place for place in find_places(family, config).values()}
    for path, parameter in parameters_of(decoder).items():
        parameter.set_value(_shape_of(places[path], dtype, sharding))
    return CheckpointModel(decoder, config, family, special, tokenizer_size=config.vocab_size)


def _shape_of(place: Place, dtype: str, sharding: ShardingRule | None) -> Any:
    def shape(path: str, shape: tuple[int, ...], dtype: str) -> Any:
        where = None if sharding is None else sharding(path, shape)
        return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype), sharding=where)

    if dtype == "int8" and place.is_matrix:
        return Int8Weight(
            shape(place.target, place.stacked_shape, "int8"),
            shape(f"{place.target}.scales", place.channels_shape, "float32"),
        )
    return shape(place.target, place.stacked_shape, COMPUTE_DTYPES[dtype])
