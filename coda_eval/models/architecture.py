"""What a decoder is: the numbers that decide its shapes and the switches that decide its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass


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
    """RMSNorm of each query and key head, before RoPE (Qwen3)."""
    tied_head: bool
    """The output head is the embedding: no tensor of its own."""

    @property
    def num_parameters(self) -> int:
        """How many numbers the weights hold."""
        heads = 2 * self.num_heads + 2 * self.num_kv_heads
        layer = heads * self.head_dim * self.hidden_size + 3 * self.hidden_size * self.intermediate_size
        layer += 2 * self.hidden_size + (2 * self.head_dim if self.qk_norm else 0)
        embeddings = (1 if self.tied_head else 2) * self.vocab_size * self.hidden_size
        return self.num_layers * layer + embeddings + self.hidden_size
