"""Llama and its descendants: Qwen, and the diffusion models made of it (CoDA, Dream, DiffuCoder)."""

from __future__ import annotations

from collections.abc import Collection

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.families.fields import (
    HuggingFaceConfig,
    divide,
    read_number,
    read_rope,
    read_size,
    refuse_unsupported,
)

LLAMA_WEIGHTS = {
    "embed_vd": "model.embed_tokens.weight",
    "final_norm.scale": "model.norm.weight",
    "head_vd": "lm_head.weight",
    "layers.attention_norm.scale": "model.layers.{layer}.input_layernorm.weight",
    "layers.attention.q_nhd": "model.layers.{layer}.self_attn.q_proj.weight",
    "layers.attention.k_khd": "model.layers.{layer}.self_attn.k_proj.weight",
    "layers.attention.v_khd": "model.layers.{layer}.self_attn.v_proj.weight",
    "layers.attention.o_dnh": "model.layers.{layer}.self_attn.o_proj.weight",
    "layers.attention.q_bias_nh": "model.layers.{layer}.self_attn.q_proj.bias",
    "layers.attention.k_bias_kh": "model.layers.{layer}.self_attn.k_proj.bias",
    "layers.attention.v_bias_kh": "model.layers.{layer}.self_attn.v_proj.bias",
    "layers.attention.q_norm.scale": "model.layers.{layer}.self_attn.q_norm.weight",
    "layers.attention.k_norm.scale": "model.layers.{layer}.self_attn.k_norm.weight",
    "layers.feed_forward_norm.scale": "model.layers.{layer}.post_attention_layernorm.weight",
    "layers.feed_forward.gate_fd": "model.layers.{layer}.mlp.gate_proj.weight",
    "layers.feed_forward.up_fd": "model.layers.{layer}.mlp.up_proj.weight",
    "layers.feed_forward.down_df": "model.layers.{layer}.mlp.down_proj.weight",
}
"""By the path of the parameter; biases and norms of heads are there where the configuration has them."""

_SUPPORTED = {
    "hidden_act": ("silu",),
    "use_sliding_window": (False, None),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "partial_rotary_factor": (1, None),
    "quantization_config": (None,),
}


def read_llama(
    config: HuggingFaceConfig,
    tensors: Collection[str],
    *,
    causal: bool,
    qk_norm: bool = False,
    qkv_bias: bool = False,
    head_dim_from_width: bool = False,
) -> DecoderConfig:
    """The fields that Llama and its descendants share."""
    refuse_unsupported(config, _SUPPORTED)
    if set(config.get("layer_types") or ()) - {"full_attention"}:
        raise CheckpointError(
            f"config.json has layer_types = {config['layer_types']!r}; only full attention is supported"
        )
    rope = read_rope(config)
    heads, width = read_size(config, "num_attention_heads"), read_size(config, "hidden_size")
    if head_dim_from_width and config.get("head_dim") is None:
        head_dim = divide(width, heads, "hidden_size", "num_attention_heads")
    else:
        head_dim = read_size(config, "head_dim")
    kv_heads = read_size(config, "num_key_value_heads")
    divide(heads, kv_heads, "num_attention_heads", "num_key_value_heads")
    return DecoderConfig(
        vocab_size=read_size(config, "vocab_size"),
        hidden_size=width,
        intermediate_size=read_size(config, "intermediate_size"),
        num_layers=read_size(config, "num_hidden_layers"),
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=head_dim,
        rms_norm_eps=read_number(config, "rms_norm_eps"),
        rope_theta=rope.theta,
        rope_scaling=rope.scaling,
        max_positions=read_size(config, "max_position_embeddings"),
        causal=causal,
        qk_norm=qk_norm,
        qkv_bias=qkv_bias,
        # A tensor that is there is used: CoDA's released config claims a tied head (by default) while the file holds
        # another one. Where the config denies a tied head, a tensor that is not there is missing.
        tied_head="lm_head.weight" not in tensors and config.get("tie_word_embeddings") is not False,
    )
