"""The model families, keyed by the `model_type` of a checkpoint's `config.json`.

A family is one row of `FAMILIES`: how its config is read, what its tensors are called, and how its logits are aligned.
What the checkpoint's own files say always wins; a switch that the decoder does not have is an error, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import DecoderConfig

HuggingFaceConfig = Mapping[str, Any]
"""The contents of `config.json`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightRule:
    """Where the tensors of one kind go in the decoder."""

    name: str
    """Its name in the checkpoint; `{layer}` stands for the number of the layer."""
    target: str
    """Dotted path of the parameter in `Decoder`."""
    layout: str = "same"
    """How the tensor becomes the parameter: `same`, `linear` ([out, in] -> [in, out]), `heads_out`
    ([heads*H, D] -> [D, heads, H]) or `heads_in` ([D, heads*H] -> [heads, H, D])."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the package knows of a `model_type`."""

    name: str
    diffusion: bool
    """Masked diffusion with attention in both directions; else causal and autoregressive."""
    shifted_logits: bool
    """The raw logits at position i predict token i + 1; else token i."""
    read_config: Callable[[HuggingFaceConfig, Sequence[str]], DecoderConfig]
    """From `config.json` and the names of the tensors that are there."""
    weights: tuple[WeightRule, ...]


def read_field(config: HuggingFaceConfig, name: str) -> Any:
    """A field that must be there.

    Raises:
        CheckpointError: it is not; the message names it.
    """
    if config.get(name) is None:
        raise CheckpointError(f"config.json has no {name!r}, which model_type {config.get('model_type')!r} needs")
    return config[name]


def _refuse_unsupported(config: HuggingFaceConfig, supported: Mapping[str, tuple[Any, ...]]) -> None:
    for name, values in supported.items():
        if name in config and config[name] not in values:
            raise CheckpointError(
                f"config.json has {name} = {config[name]!r}; for model_type {config.get('model_type')!r} "
                f"only {' or '.join(map(repr, values))} is supported"
            )


def _rope_theta(config: HuggingFaceConfig) -> float:
    """From `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before)."""
    parameters = config.get("rope_parameters")
    if parameters is not None:
        if parameters.get("rope_type", "default") != "default":
            raise CheckpointError(
                f"config.json has rope_parameters of type {parameters['rope_type']!r}; only 'default' is supported"
            )
        return float(read_field(parameters, "rope_theta"))
    return float(read_field(config, "rope_theta"))


def _qwen3_config(config: HuggingFaceConfig, tensors: Sequence[str], *, causal: bool) -> DecoderConfig:
    _refuse_unsupported(
        config,
        {"hidden_act": ("silu",), "attention_bias": (False,), "use_sliding_window": (False,), "rope_scaling": (None,)},
    )
    return DecoderConfig(
        vocab_size=read_field(config, "vocab_size"),
        hidden_size=read_field(config, "hidden_size"),
        intermediate_size=read_field(config, "intermediate_size"),
        num_layers=read_field(config, "num_hidden_layers"),
        num_heads=read_field(config, "num_attention_heads"),
        num_kv_heads=read_field(config, "num_key_value_heads"),
        head_dim=read_field(config, "head_dim"),
        rms_norm_eps=read_field(config, "rms_norm_eps"),
        rope_theta=_rope_theta(config),
        max_positions=read_field(config, "max_position_embeddings"),
        causal=causal,
        qk_norm=True,
        # A tensor that is there is used: CoDA's released config claims a tied head (by default) while the file holds
        # another one. Where the config denies a tied head, a tensor that is not there is missing.
        tied_head="lm_head.weight" not in tensors and config.get("tie_word_embeddings") is not False,
    )


def _coda_config(config: HuggingFaceConfig, tensors: Sequence[str]) -> DecoderConfig:
    return _qwen3_config(config, tensors, causal=False)


def _causal_qwen3_config(config: HuggingFaceConfig, tensors: Sequence[str]) -> DecoderConfig:
    return _qwen3_config(config, tensors, causal=True)


def _in_layer(name: str, target: str, layout: str = "same") -> WeightRule:
    return WeightRule(name=f"model.layers.{{layer}}.{name}.weight", target=f"layers.{target}", layout=layout)


_QWEN3_WEIGHTS = (
    WeightRule(name="model.embed_tokens.weight", target="embed_vd"),
    WeightRule(name="model.norm.weight", target="final_norm.scale"),
    WeightRule(name="lm_head.weight", target="head_vd"),
    _in_layer("input_layernorm", "attention_norm.scale"),
    _in_layer("self_attn.q_proj", "attention.q_dnh", "heads_out"),
    _in_layer("self_attn.k_proj", "attention.k_dkh", "heads_out"),
    _in_layer("self_attn.v_proj", "attention.v_dkh", "heads_out"),
    _in_layer("self_attn.o_proj", "attention.o_nhd", "heads_in"),
    _in_layer("self_attn.q_norm", "attention.q_norm.scale"),
    _in_layer("self_attn.k_norm", "attention.k_norm.scale"),
    _in_layer("post_attention_layernorm", "feed_forward_norm.scale"),
    _in_layer("mlp.gate_proj", "feed_forward.gate_df", "linear"),
    _in_layer("mlp.up_proj", "feed_forward.up_df", "linear"),
    _in_layer("mlp.down_proj", "feed_forward.down_fd", "linear"),
)

FAMILIES: dict[str, Family] = {
    "CoDA": Family(name="CoDA", diffusion=True, shifted_logits=True, read_config=_coda_config, weights=_QWEN3_WEIGHTS),
    "qwen3": Family(
        name="qwen3", diffusion=False, shifted_logits=True, read_config=_causal_qwen3_config, weights=_QWEN3_WEIGHTS
    ),
}


def family_of(config: HuggingFaceConfig) -> Family:
    """The family of a checkpoint.

    Raises:
        CheckpointError: `model_type` is missing or unknown; the message lists those that are supported.
    """
    model_type = read_field(config, "model_type")
    if model_type not in FAMILIES:
        raise CheckpointError(
            f"config.json has model_type = {model_type!r}, which is not supported; supported are {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]
