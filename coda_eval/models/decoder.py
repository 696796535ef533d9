"""The decoder: one Flax NNX module, configured and never subclassed.

Letters in weight names and einsums: B batch, L length (S as keys), V vocabulary, D model width, F feed-forward width,
N query heads, K key/value heads, G query heads a key/value head, H head width.
Layers are stacked along a leading axis and scanned, so that compile time does not grow with depth. Norms, RoPE, softmax
and logits are computed in float32 whatever the dtype of the weights.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.rope import rotate, rotation

_LEAST = float(np.finfo(np.float32).min)
_INIT = jax.nn.initializers.normal(0.02)


class RMSNorm(nnx.Module):
    """Root-mean-square norm over the last axis (Zhang and Sennrich, 2019), in float32."""

    def __init__(self, width: int, *, eps: float, dtype: DTypeLike) -> None:
        """The scale starts at one."""
        self.scale = nnx.Param(jnp.ones((width,), dtype))
        self.eps = eps

    def __call__(self, x: Float[Array, "*axes width"]) -> Float[Array, "*axes width"]:
        """Returns the dtype of `x`."""
        y = x.astype(jnp.float32)
        y = y * jax.lax.rsqrt(jnp.mean(jnp.square(y), axis=-1, keepdims=True) + self.eps)
        # The reference casts down before it multiplies by the scale (transformers, Qwen3RMSNorm.forward).
        return y.astype(x.dtype) * self.scale[...].reshape((1,) * (x.ndim - 1) + (-1,))


class Attention(nnx.Module):
    """Grouped-query attention with rotary positions and, where configured, a norm for each query and key head."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs, dtype: DTypeLike) -> None:
        """Weights start normal with deviation 0.02."""
        D, N, K, H = config.hidden_size, config.num_heads, config.num_kv_heads, config.head_dim
        self.q_dnh = nnx.Param(_INIT(rngs.params(), (D, N, H), dtype))
        self.k_dkh = nnx.Param(_INIT(rngs.params(), (D, K, H), dtype))
        self.v_dkh = nnx.Param(_INIT(rngs.params(), (D, K, H), dtype))
        self.o_nhd = nnx.Param(_INIT(rngs.params(), (N, H, D), dtype))
        self.qk_norm = config.qk_norm
        if config.qk_norm:
            self.q_norm = RMSNorm(H, eps=config.rms_norm_eps, dtype=dtype)
            self.k_norm = RMSNorm(H, eps=config.rms_norm_eps, dtype=dtype)

    def __call__(
        self,
        x: Float[Array, "B L D"],
        cosines: Float[Array, "B L half"],
        sines: Float[Array, "B L half"],
        mask: Bool[Array, "B L S"],
    ) -> Float[Array, "B L D"]:
        """`mask[b, l, s]`: may position l of row b see position s."""
        q = jnp.einsum("BLD,DNH->BLNH", x, self.q_dnh[...])
        k = jnp.einsum("BSD,DKH->BSKH", x, self.k_dkh[...])
        v = jnp.einsum("BSD,DKH->BSKH", x, self.v_dkh[...])
        if self.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k = rotate(q, cosines, sines), rotate(k, cosines, sines)

        B, L, N, H = q.shape
        K = k.shape[2]
        q = q.reshape(B, L, K, N // K, H)
        scores = jnp.einsum("BLKGH,BSKH->BKGLS", q, k, preferred_element_type=jnp.float32) * H**-0.5
        # A finite minimum, so that a row that may see nothing (padding) gives numbers and not NaN.
        scores = jnp.where(mask[:, None, None, :, :], scores, _LEAST)
        weights = jax.nn.softmax(scores, axis=-1).astype(v.dtype)
        mixed = jnp.einsum("BKGLS,BSKH->BLKGH", weights, v).reshape(B, L, N, H)
        return jnp.einsum("BLNH,NHD->BLD", mixed, self.o_nhd[...])


class FeedForward(nnx.Module):
    """SwiGLU (Shazeer, 2020, arXiv 2002.05202)."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs, dtype: DTypeLike) -> None:
        """Weights start normal with deviation 0.02."""
        D, F = config.hidden_size, config.intermediate_size
        self.gate_df = nnx.Param(_INIT(rngs.params(), (D, F), dtype))
        self.up_df = nnx.Param(_INIT(rngs.params(), (D, F), dtype))
        self.down_fd = nnx.Param(_INIT(rngs.params(), (F, D), dtype))

    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        """Position by position."""
        return (jax.nn.silu(x @ self.gate_df[...]) * (x @ self.up_df[...])) @ self.down_fd[...]


class Layer(nnx.Module):
    """Attention and feed-forward, each behind a norm and beside a residual."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs, dtype: DTypeLike) -> None:
        """One layer; the decoder stacks them."""
        self.attention_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps, dtype=dtype)
        self.attention = Attention(config, rngs=rngs, dtype=dtype)
        self.feed_forward_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps, dtype=dtype)
        self.feed_forward = FeedForward(config, rngs=rngs, dtype=dtype)

    def __call__(
        self,
        x: Float[Array, "B L D"],
        cosines: Float[Array, "B L half"],
        sines: Float[Array, "B L half"],
        mask: Bool[Array, "B L S"],
    ) -> Float[Array, "B L D"]:
        """See `Attention` for the mask."""
        x = x + self.attention(self.attention_norm(x), cosines, sines, mask)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Decoder(nnx.Module):
    """Token ids in, final hidden states out; `head` makes logits of them."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs, dtype: DTypeLike = jnp.float32) -> None:
        """Random weights; the loader makes the module under `nnx.eval_shape`, which computes none."""
        self.config = config
        self.embed_vd = nnx.Param(_INIT(rngs.params(), (config.vocab_size, config.hidden_size), dtype))

        @nnx.split_rngs(splits=config.num_layers)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def stacked(rngs: nnx.Rngs) -> Layer:
            return Layer(config, rngs=rngs, dtype=dtype)

        self.layers = stacked(rngs)
        self.final_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps, dtype=dtype)
        if not config.tied_head:
            self.head_vd = nnx.Param(_INIT(rngs.params(), (config.vocab_size, config.hidden_size), dtype))

    def __call__(
        self,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        key_mask: Bool[Array, "B L"],
    ) -> Float[Array, "B L D"]:
        """Final hidden states, normed, in the dtype of the weights, not shifted.

        Args:
            tokens: token ids.
            positions: the position of each token for RoPE; padding may have any.
            key_mask: which tokens may be attended to; False for padding.
        """
        cosines, sines = rotation(positions, head_dim=self.config.head_dim, theta=self.config.rope_theta)
        mask = attention_mask(key_mask, causal=self.config.causal)
        graph, stacked = nnx.split(self.layers)

        def apply(x: Float[Array, "B L D"], weights: Any) -> tuple[Float[Array, "B L D"], None]:
            return nnx.merge(graph, weights)(x, cosines, sines, mask), None

        x, _ = jax.lax.scan(apply, self.embed_vd[...][tokens], stacked)
        return self.final_norm(x)

    def head(self, hidden: Float[Array, "*axes D"]) -> Float[Array, "*axes V"]:
        """Logits in float32."""
        weights = self.embed_vd if self.config.tied_head else self.head_vd
        return jnp.einsum("...D,VD->...V", hidden, weights[...], preferred_element_type=jnp.float32)


def attention_mask(key_mask: Bool[Array, "B S"], *, causal: bool) -> Bool[Array, "B L S"]:
    """Which position may see which: every unpadded key, and where `causal` none that stands later."""
    length = key_mask.shape[1]
    visible = jnp.broadcast_to(key_mask[:, None, :], (key_mask.shape[0], length, length))
    if causal:
        visible = visible & jnp.tri(length, dtype=bool)[None, :, :]
    return visible
