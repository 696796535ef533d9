"""LLaDA, whose configuration and names are those of OLMo."""

from __future__ import annotations

from collections.abc import Collection

from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.families.fields import (
    HuggingFaceConfig,
    divide,
    read_number,
    read_rope,
    read_size,
    refuse_unsupported,
)

LLADA_WEIGHTS = {
    "embed_vd": "model.transformer.wte.weight",
    "final_norm.scale": "model.transformer.ln_f.weight",
    "head_vd": "model.transformer.ff_out.weight",
    "layers.attention_norm.scale": "model.transformer.blocks.{layer}.attn_norm.weight",
    "layers.attention.q_nhd": "model.transformer.blocks.{layer}.q_proj.weight",
    "layers.attention.k_khd": "model.transformer.blocks.{layer}.k_proj.weight",
    "layers.attention.v_khd": "model.transformer.blocks.{layer}.v_proj.weight",
    "layers.attention.o_dnh": "model.transformer.blocks.{layer}.attn_out.weight",
    "layers.feed_forward_norm.scale": "model.transformer.blocks.{layer}.ff_norm.weight",
    "layers.feed_forward.gate_fd": "model.transformer.blocks.{layer}.ff_proj.weight",
    "layers.feed_forward.up_fd": "model.transformer.blocks.{layer}.up_proj.weight",
    "layers.feed_forward.down_df": "model.transformer.blocks.{layer}.ff_out.weight",
}


def read_llada(config: HuggingFaceConfig, tensors: Collection[str]) -> DecoderConfig:
    """LLaDA's fields are OLMo's."""
    off = (False, None)
    refuse_unsupported(
        config,
        {
            "activation_type": ("silu",),
            "block_type": ("llama",),
            "block_group_size": (1, None),
            "layer_norm_type": ("rms",),
            "layer_norm_with_affine": (True, None),
            "rope": (True,),
            "clip_qkv": (None,),
            "alibi": off,
            "multi_query_attention": off,
            "attention_layer_norm": off,
            "include_bias": off,
            "include_qkv_bias": off,
            "bias_for_layer_norm": off,
            "scale_logits": off,
            "input_emb_norm": off,
            "quantization_config": (None,),
        },
    )
    heads, width = read_size(config, "n_heads"), read_size(config, "d_model")
    kv_heads = heads if config.get("n_kv_heads") is None else read_size(config, "n_kv_heads")
    divide(heads, kv_heads, "n_heads", "n_kv_heads")
    rope = read_rope(config)
    return DecoderConfig(
        vocab_size=read_size(config, "vocab_size" if config.get("embedding_size") is None else "embedding_size"),
        hidden_size=width,
        intermediate_size=read_size(config, "mlp_hidden_size"),
        num_layers=read_size(config, "n_layers"),
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=divide(width, heads, "d_model", "n_heads"),
        rms_norm_eps=read_number(config, "rms_norm_eps"),
        rope_theta=rope.theta,
        rope_scaling=rope.scaling,
        max_positions=read_size(config, "max_sequence_length"),
        causal=False,
        qk_norm=False,
        tied_head="model.transformer.ff_out.weight" not in tensors and config.get("weight_tying") is True,
    )
