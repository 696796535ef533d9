"""Gemma 3: norms before and after, a scaled embedding, and layers that see only what is near."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from coda_eval.models.architecture import DecoderConfig, SlidingWindow
from coda_eval.models.families.fields import (
    HuggingFaceConfig,
    read_field,
    read_layer_types,
    read_number,
    read_size,
    refuse_unsupported,
)
from coda_eval.models.families.llama import LLAMA_WEIGHTS, read_llama

GEMMA3_WEIGHTS = LLAMA_WEIGHTS | {
    "layers.attention_post_norm.scale": "model.layers.{layer}.post_attention_layernorm.weight",
    "layers.feed_forward_norm.scale": "model.layers.{layer}.pre_feedforward_layernorm.weight",
    "layers.feed_forward_post_norm.scale": "model.layers.{layer}.post_feedforward_layernorm.weight",
}

GEMMA3_DEFAULTS: HuggingFaceConfig = {
    "vocab_size": 262208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 131072,
    "rope_theta": 1e6,
    "rope_local_base_freq": 1e4,
    "query_pre_attn_scalar": 256,
    "sliding_window_pattern": 6,
}
"""What the `text_config` of a Gemma 3 with a vision tower may leave out, and then means (Gemma3TextConfig)."""


def read_gemma3(
    config: HuggingFaceConfig, tensors: Collection[str], *, defaults: HuggingFaceConfig | None = None
) -> DecoderConfig:
    """Gemma 3's fields; the newer form of RoPE has one entry for each kind of layer."""
    config = {**(defaults or {}), **config}
    refuse_unsupported(
        config,
        {
            "hidden_activation": ("gelu_pytorch_tanh", None),
            "attn_logit_softcapping": (None,),
            "final_logit_softcapping": (None,),
            "use_bidirectional_attention": (False, None),
        },
    )
    parameters = config.get("rope_parameters") or {}
    if parameters:
        everywhere, nearby = read_field(parameters, "full_attention"), read_field(parameters, "sliding_attention")
        refuse_unsupported(nearby, {"rope_type": ("default",)})
        local_theta = read_number(nearby, "rope_theta")
    else:
        everywhere, local_theta = None, read_number(config, "rope_local_base_freq")
    # The rest is Llama's, but for what the activation is called.
    plain = {
        name: value for name, value in config.items() if name not in ("hidden_act", "layer_types", "rope_parameters")
    }
    if everywhere is not None:
        plain["rope_parameters"] = everywhere
    shared = read_llama(plain, tensors, causal=True, qk_norm=True)
    pattern = config.get("sliding_window_pattern", config.get("_sliding_window_pattern"))
    return dataclasses.replace(
        shared,
        activation="gelu_tanh",
        post_norms=True,
        norm_adds_one=True,
        scaled_embedding=True,
        query_scale=read_number(config, "query_pre_attn_scalar") ** -0.5,
        sliding=SlidingWindow(
            size=read_size(config, "sliding_window"),
            layers=read_layer_types(config, layers=shared.num_layers, pattern=pattern),
            rope_theta=local_theta,
        ),
    )
