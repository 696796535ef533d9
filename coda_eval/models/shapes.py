"""The published sizes of the models that people compare, as their own `config.json` states them.

They make random checkpoints and plans; a checkpoint that is there always speaks for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coda_eval.errors import ConfigError
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.families import HuggingFaceConfig, family_of


@dataclass(frozen=True, slots=True)
class Shape:
    """A published model without its weights."""

    config: HuggingFaceConfig
    """The contents of `config.json`."""
    own_head: bool
    """There is a tensor for the output head."""

    @property
    def architecture(self) -> DecoderConfig:
        """In the terms of the decoder."""
        family = family_of(self.config)
        return family.read_config(self.config, [family.weights["head_vd"]] if self.own_head else [])


def find_shape(name: str) -> Shape:
    """A row of `SHAPES`.

    Raises:
        ConfigError: there is none; the message lists them.
    """
    if name not in SHAPES:
        raise ConfigError(f"no published shape is called {name!r}; there are {', '.join(SHAPES)}")
    return SHAPES[name]


def _llama_like(
    model_type: str, hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int, **fields: Any
) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "rope_scaling": None,
        **fields,
    }


_QWEN3 = {"head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 40960, "attention_bias": False}
_QWEN3 |= {"eos_token_id": 151645, "pad_token_id": 151643}
_QWEN2 = {"max_position_embeddings": 32768, "use_sliding_window": False, "eos_token_id": 151643}
_QWEN2 |= {"pad_token_id": 151643}
_LLAMA3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
_LLAMA3 |= {"original_max_position_embeddings": 8192}
_LLAMA: dict[str, Any] = {
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5e5,
}
_LLAMA |= {"rope_scaling": _LLAMA3, "tie_word_embeddings": True, "eos_token_id": [128001, 128008, 128009]}


def _qwen3(*sizes: int, tied: bool) -> Shape:
    return Shape(_llama_like("qwen3", *sizes, **_QWEN3, tie_word_embeddings=tied), own_head=not tied)


def _qwen2(*sizes: int, vocabulary: int, tied: bool) -> Shape:
    config = _llama_like("qwen2", *sizes, **_QWEN2, vocab_size=vocabulary, tie_word_embeddings=tied)
    return Shape(config, own_head=not tied)


SHAPES: dict[str, Shape] = {
    # Its config says nothing of the head, which transformers reads as tied; the released file has a head of its own.
    "coda-1.7b": Shape(_llama_like("CoDA", 2048, 6144, 28, 16, 8, **_QWEN3, mask_token_id=151669), own_head=True),
    "dream-7b": Shape(
        _llama_like(
            *("Dream", 3584, 18944, 28, 28, 4),
            vocab_size=152064,
            max_position_embeddings=131072,
            tie_word_embeddings=False,
            mask_token_id=151666,
            eos_token_id=151643,
            pad_token_id=151643,
        ),
        own_head=True,
    ),
    "llada-8b": Shape(
        {
            "model_type": "llada",
            "d_model": 4096,
            "mlp_hidden_size": 12288,
            "n_layers": 32,
            "n_heads": 32,
            "n_kv_heads": 32,
            "vocab_size": 126464,
            "embedding_size": 126464,
            "max_sequence_length": 4096,
            "activation_type": "silu",
            "block_type": "llama",
            "layer_norm_type": "rms",
            "rms_norm_eps": 1e-5,
            "rope": True,
            "rope_theta": 5e5,
            "weight_tying": False,
            "mask_token_id": 126336,
            "eos_token_id": 126081,
            "pad_token_id": 126081,
        },
        own_head=True,
    ),
    "qwen3-0.6b": _qwen3(1024, 3072, 28, 16, 8, tied=True),
    "qwen3-1.7b": _qwen3(2048, 6144, 28, 16, 8, tied=True),
    "qwen3-4b": _qwen3(2560, 9728, 36, 32, 8, tied=True),
    "qwen3-8b": _qwen3(4096, 12288, 36, 32, 8, tied=False),
    "qwen2.5-coder-0.5b": _qwen2(896, 4864, 24, 14, 2, vocabulary=151936, tied=True),
    "qwen2.5-coder-1.5b": _qwen2(1536, 8960, 28, 12, 2, vocabulary=151936, tied=True),
    "qwen2.5-coder-3b": _qwen2(2048, 11008, 36, 16, 2, vocabulary=151936, tied=True),
    "qwen2.5-coder-7b": _qwen2(3584, 18944, 28, 28, 4, vocabulary=152064, tied=False),
    "llama-3.2-1b": Shape(_llama_like("llama", 2048, 8192, 16, 32, 8, **{**_LLAMA, "head_dim": 64}), own_head=False),
    "llama-3.2-3b": Shape(_llama_like("llama", 3072, 8192, 28, 24, 8, **{**_LLAMA, "head_dim": 128}), own_head=False),
    "gemma-3-1b": Shape(
        {
            "model_type": "gemma3_text",
            "hidden_size": 1152,
            "intermediate_size": 6912,
            "num_hidden_layers": 26,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 256,
            "vocab_size": 262144,
            "max_position_embeddings": 32768,
            "hidden_activation": "gelu_pytorch_tanh",
            "rms_norm_eps": 1e-6,
            "query_pre_attn_scalar": 256,
            "rope_theta": 1e6,
            "rope_local_base_freq": 1e4,
            "rope_scaling": None,
            "sliding_window": 512,
            "sliding_window_pattern": 6,
            "tie_word_embeddings": True,
            "eos_token_id": [1, 106],
            "pad_token_id": 0,
        },
        own_head=False,
    ),
}
