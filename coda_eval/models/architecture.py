"""What a decoder is: the numbers that decide its shapes and the switches that decide its arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

_PARTS = 8
_LARGE_VOCABULARY = 16384


def vocabulary_parts(size: int) -> int:
    """Stretches of ids of equal length, which devices may share out among them; a small vocabulary is one."""
    return math.gcd(size, _PARTS) if size >= _LARGE_VOCABULARY else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearScaling:
    """Positions are divided by a factor (Chen et al., 2023, arXiv 2306.15595)."""

    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Llama3Scaling:
    """Low frequencies are divided by a factor, high ones kept, those between blended (Llama 3.1)."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_positions: int


RopeScaling = LinearScaling | Llama3Scaling


@dataclass(frozen=True, slots=True, kw_only=True)
class SlidingWindow:
    """Layers that see only the nearest positions (Gemma 3)."""

    size: int
    """How many positions a token sees, itself included."""
    layers: tuple[bool, ...]
    """Which layers slide; one entry a layer."""
    rope_theta: float
    """Of the sliding layers; they are never scaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """The architecture of one checkpoint, in the terms of this package (families translate `config.json` into it)."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    max_positions: int
    causal: bool
    """Each position sees itself and what stands before it; else every position sees every other."""
    qk_norm: bool
    """RMSNorm of each query and key head, before RoPE (Qwen3, Gemma 3)."""
    tied_head: bool
    """The output head is the embedding: no tensor of its own."""
    qkv_bias: bool = False
    """Queries, keys and values have a bias (Qwen2)."""
    activation: Literal["silu", "gelu_tanh"] = "silu"
    post_norms: bool = False
    """Attention and feed-forward have a norm behind them too (Gemma 3)."""
    norm_adds_one: bool = False
    """Norms scale by one plus their weight, in float32 (Gemma)."""
    scaled_embedding: bool = False
    """Embeddings are multiplied by the root of the width (Gemma)."""
    query_scale: float | None = None
    """What scores are multiplied by; None is `head_dim ** -0.5`."""
    rope_scaling: RopeScaling | None = None
    sliding: SlidingWindow | None = None

    @property
    def vocabulary_parts(self) -> int:
        """As the function of this name says."""
        return vocabulary_parts(self.vocab_size)

    @property
    def num_parameters(self) -> int:
        """How many numbers the weights hold."""
        heads = 2 * self.num_heads + 2 * self.num_kv_heads
        layer = heads * self.head_dim * self.hidden_size + 3 * self.hidden_size * self.intermediate_size
        layer += (4 if self.post_norms else 2) * self.hidden_size + (2 * self.head_dim if self.qk_norm else 0)
        layer += (self.num_heads + 2 * self.num_kv_heads) * self.head_dim if self.qkv_bias else 0
        embeddings = (1 if self.tied_head else 2) * self.vocab_size * self.hidden_size
        return self.num_layers * layer + embeddings + self.hidden_size
