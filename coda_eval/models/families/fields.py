"""Reading `config.json`: fields that must be there, switches that must be off, RoPE in its older and newer forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import LinearScaling, Llama3Scaling, RopeScaling

HuggingFaceConfig = Mapping[str, Any]
"""The contents of `config.json`."""


class Rope(NamedTuple):
    """How positions are encoded."""

    theta: float
    scaling: RopeScaling | None


def read_field(config: HuggingFaceConfig, name: str) -> Any:
    """A field that must be there.

    Raises:
        CheckpointError: it is not; the message names it.
    """
    if config.get(name) is None:
        raise CheckpointError(f"config.json has no {name!r}, which model_type {config.get('model_type')!r} needs")
    return config[name]


def read_size(config: HuggingFaceConfig, name: str) -> int:
    """A field that must be there and counts something.

    Raises:
        CheckpointError: it is missing, or not a positive whole number.
    """
    value = read_field(config, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CheckpointError(f"config.json has {name} = {value!r}; a positive whole number is expected")
    return value


def read_number(config: HuggingFaceConfig, name: str) -> float:
    """A field that must be there and measures something.

    Raises:
        CheckpointError: it is missing, or not a positive number.
    """
    value = read_field(config, name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise CheckpointError(f"config.json has {name} = {value!r}; a positive number is expected")
    return float(value)


def divide(value: int, by: int, name: str, by_name: str) -> int:
    """The whole quotient of two fields.

    Raises:
        CheckpointError: there is none.
    """
    if value % by:
        raise CheckpointError(f"config.json has {name} = {value} and {by_name} = {by}, which does not divide it")
    return value // by


def refuse_unsupported(config: HuggingFaceConfig, supported: Mapping[str, tuple[Any, ...]]) -> None:
    """Checks switches that may be left out, but not set to what the decoder does not do.

    Raises:
        CheckpointError: one is; the message names the field, its value and what is supported.
    """
    for name, values in supported.items():
        if name in config and config[name] not in values:
            raise CheckpointError(
                f"config.json has {name} = {config[name]!r}; for model_type {config.get('model_type')!r} "
                f"only {' or '.join(map(repr, values))} is supported"
            )


def read_rope(config: HuggingFaceConfig) -> Rope:
    """From `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (before).

    Raises:
        CheckpointError: a field is missing, or the kind of scaling is not supported.
    """
    parameters = config.get("rope_parameters")
    if parameters is not None:
        return Rope(read_number(parameters, "rope_theta"), _scaling(parameters, "rope_parameters"))
    scaling = config.get("rope_scaling")
    return Rope(read_number(config, "rope_theta"), None if scaling is None else _scaling(scaling, "rope_scaling"))


def read_layer_types(config: HuggingFaceConfig, *, layers: int, pattern: int | None) -> tuple[bool, ...]:
    """Which layers slide: from `layer_types`, or every layer but each `pattern`-th.

    Raises:
        CheckpointError: neither says it, or `layer_types` does not fit.
    """
    types = config.get("layer_types")
    if types is None:
        if pattern is None:
            raise CheckpointError("config.json has neither 'layer_types' nor 'sliding_window_pattern'; one is needed")
        return tuple((layer + 1) % pattern != 0 for layer in range(layers))
    if len(types) != layers or not set(types) <= {"sliding_attention", "full_attention"}:
        raise CheckpointError(
            f"config.json has layer_types = {types!r}; 'sliding_attention' or 'full_attention' is expected for each of "
            f"{layers} layers"
        )
    return tuple(kind == "sliding_attention" for kind in types)


def _scaling(parameters: Mapping[str, Any], field: str) -> RopeScaling | None:
    match parameters.get("rope_type", parameters.get("type", "default")):
        case "default":
            return None
        case "linear":
            return LinearScaling(factor=read_number(parameters, "factor"))
        case "llama3":
            return Llama3Scaling(
                factor=read_number(parameters, "factor"),
                low_freq_factor=read_number(parameters, "low_freq_factor"),
                high_freq_factor=read_number(parameters, "high_freq_factor"),
                original_max_positions=read_size(parameters, "original_max_position_embeddings"),
            )
    raise CheckpointError(
        f"config.json has {field} = {dict(parameters)!r}; supported are the types 'default', 'linear' and 'llama3'"
    )
