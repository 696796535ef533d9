"""What the decoder is made of: norms, attention, feed-forward, and a layer of them.

Letters are those of `decoder`: B batch, L length (S as keys), D model width, F feed-forward width, N query heads, K
key/value heads, H head width.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.attention import Attend, KeyValues
from coda_eval.models.linear import contract
from coda_eval.models.rope import Rotation, rotate

INIT = jax.nn.initializers.normal(0.02)


class RMSNorm(nnx.Module):
    """Root-mean-square norm over the last axis (Zhang and Sennrich, 2019), in float32."""

    def __init__(self, width: int, config: DecoderConfig, *, dtype: DTypeLike) -> None:
        """Scales by one at the start."""
        self.scale = nnx.Param(jnp.full((width,), 0 if config.norm_adds_one else 1, dtype))
        self.eps = config.rms_norm_eps
        self.adds_one = config.norm_adds_one

    def __call__(self, x: Float[Array, "*axes width"]) -> Float[Array, "*axes width"]:
        """Returns the dtype of `x`."""
        y = x.astype(jnp.float32)
        y = y * jax.lax.rsqrt(jnp.mean(jnp.square(y), axis=-1, keepdims=True) + self.eps)
        scale = self.scale[...].reshape((1,) * (x.ndim - 1) + (-1,))
        if self.adds_one:  # transformers, Gemma3RMSNorm.forward
            return (y * (1 + scale.astype(jnp.float32))).astype(x.dtype)
        # The reference casts down before it multiplies by the scale (transformers, Qwen3RMSNorm.forward).
        return y.astype(x.dtype) * scale


class Attention(nnx.Module):
    """Grouped-query attention with rotary positions and, where configured, biases and norms for the heads."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs, dtype: DTypeLike) -> None:
        """Weights start normal with deviation 0.02, biases at zero."""
        D, N, K, H = config.hidden_size, config.num_heads, config.num_kv_heads, config.head_dim
        self.config = config
        self.q_nhd = nnx.Param(INIT(rngs.params(), (N, H, D), dtype))
        self.k_khd = nnx.Param(INIT(rngs.params(), (K, H, D), dtype))
        self.v_khd = nnx.Param(INIT(rngs.params(), (K, H, D), dtype))
        self.o_dnh = nnx.Param(INIT(rngs.params(), (D, N, H), dtype))
        if config.qkv_bias:
            self.q_bias_nh = nnx.Param(jnp.zeros((N, H), dtype))
            self.k_bias_kh = nnx.Param(jnp.zeros((K, H), dtype))
            self.v_bias_kh = nnx.Param(jnp.zeros((K, H), dtype))
        if config.qk_norm:
            self.q_norm = RMSNorm(H, config, dtype=dtype)
            self.k_norm = RMSNorm(H, config, dtype=dtype)

    def __call__(
        self, x: Float[Array, "B L D"], by: Rotation, attend: Attend
    ) -> tuple[Float[Array, "B L D"], KeyValues]:
        """Attends to the inputs, and to what is cached of other positions; returns the new keys and values too."""
        q = contract("BLD,NHD->BLNH", x, self.q_nhd.get_value())
        k = contract("BLD,KHD->BLKH", x, self.k_khd.get_value())
        v = contract("BLD,KHD->BLKH", x, self.v_khd.get_value())
        if self.config.qkv_bias:
            q, k, v = q + self.q_bias_nh[None, None], k + self.k_bias_kh[None, None], v + self.v_bias_kh[None, None]
        if self.config.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        fresh = KeyValues(rotate(k, by), v)
        mixed = attend(rotate(q, by), fresh)
        return contract("BLNH,DNH->BLD", mixed, self.o_dnh.get_value()), fresh


class FeedForward(nnx.Module):
    """A gated feed-forward network (Shazeer, 2020, arXiv 2002.05202)."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs, dtype: DTypeLike) -> None:
        """Weights start normal with deviation 0.02."""
        D, F = config.hidden_size, config.intermediate_size
        self.activation = config.activation
        self.gate_fd = nnx.Param(INIT(rngs.params(), (F, D), dtype))
        self.up_fd = nnx.Param(INIT(rngs.params(), (F, D), dtype))
        self.down_df = nnx.Param(INIT(rngs.params(), (D, F), dtype))

    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        """Position by position."""
        gate = contract("BLD,FD->BLF", x, self.gate_fd.get_value())
        gate = jax.nn.silu(gate) if self.activation == "silu" else jax.nn.gelu(gate, approximate=True)
        return contract(
            "BLF,DF->BLD", gate * contract("BLD,FD->BLF", x, self.up_fd.get_value()), self.down_df.get_value()
        )


class Layer(nnx.Module):
    """Attention and feed-forward, each behind a norm (with another one behind it, where configured) and a residual."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs, dtype: DTypeLike) -> None:
        """One layer; the decoder stacks them."""
        self.config = config
        self.attention_norm = RMSNorm(config.hidden_size, config, dtype=dtype)
        self.attention = Attention(config, rngs=rngs, dtype=dtype)
        self.feed_forward_norm = RMSNorm(config.hidden_size, config, dtype=dtype)
        self.feed_forward = FeedForward(config, rngs=rngs, dtype=dtype)
        if config.post_norms:
            self.attention_post_norm = RMSNorm(config.hidden_size, config, dtype=dtype)
            self.feed_forward_post_norm = RMSNorm(config.hidden_size, config, dtype=dtype)

    def __call__(
        self, x: Float[Array, "B L D"], by: Rotation, attend: Attend
    ) -> tuple[Float[Array, "B L D"], KeyValues]:
        """See `Attention`."""
        attended, fresh = self.attention(self.attention_norm(x), by, attend)
        x = x + (self.attention_post_norm(attended) if self.config.post_norms else attended)
        fed = self.feed_forward(self.feed_forward_norm(x))
        return x + (self.feed_forward_post_norm(fed) if self.config.post_norms else fed), fresh
