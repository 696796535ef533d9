"""The decoder: one Flax NNX module, configured and never subclassed.

Letters in weight names and einsums: B batch, L length (S as keys), V vocabulary, D model width, F feed-forward width,
N query heads, K key/value heads, G query heads a key/value head, H head width. Matrices are laid out as in checkpoints,
[outputs, inputs], so that loading moves bytes and transposes nothing.
Layers are stacked along a leading axis and scanned, so that compile time does not grow with depth. Norms, RoPE, softmax
and logits are computed in float32 whatever the dtype of the weights.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.attention import Attend, KeyValues, Segment, attend, attention_mask
from coda_eval.models.attention_kernels import Case, attend_with, choose_kernel
from coda_eval.models.in_place import write_slice
from coda_eval.models.layers import INIT, Layer, RMSNorm
from coda_eval.models.linear import contract, look_up, project
from coda_eval.models.rope import Rotation, rotation


class Decoder(nnx.Module):
    """Token ids in, final hidden states out; `head` makes logits of them."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs, dtype: DTypeLike = jnp.float32) -> None:
        """Random weights; the loader makes the module under `nnx.eval_shape`, which computes none."""
        self.config = config
        self.platform: str | None = None
        """Whose attention kernels are used where they apply: `attention_kernels.Case`. The loader knows."""
        self.embed_vd = nnx.Param(INIT(rngs.params(), (config.vocab_size, config.hidden_size), dtype))

        @nnx.split_rngs(splits=config.num_layers)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def stacked(rngs: nnx.Rngs) -> Layer:
            return Layer(config, rngs=rngs, dtype=dtype)

        self.layers = stacked(rngs)
        self.final_norm = RMSNorm(config.hidden_size, config, dtype=dtype)
        if not config.tied_head:
            self.head_vd = nnx.Param(INIT(rngs.params(), (config.vocab_size, config.hidden_size), dtype))

    def __call__(
        self, tokens: Int[Array, "B L"], positions: Int[Array, "B L"], key_mask: Bool[Array, "B L"]
    ) -> Float[Array, "B L D"]:
        """Final hidden states, normed, in the dtype of the weights, not shifted.

        Args:
            tokens: token ids.
            positions: the position of each token, for RoPE and for causality; padding may have any.
            key_mask: which tokens may be attended to; False for padding.
        """
        hidden, _ = self.prefill(tokens, positions, key_mask)
        return hidden

    def prefill(
        self, tokens: Int[Array, "B L"], positions: Int[Array, "B L"], key_mask: Bool[Array, "B L"]
    ) -> tuple[Float[Array, "B L D"], KeyValues]:
        """As a call, with the keys (rotated) and values of every layer: [layers, B, L, K, H] each."""
        return self._run(tokens, _Context(positions, key_mask), None)

    def window(
        self,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        key_mask: Bool[Array, "B L"],
        cache: KeyValues,
        start: Int[Array, " B"],
        write_from: Int[Array, " B"],
        *,
        width: int,
    ) -> tuple[Float[Array, "B width D"], KeyValues]:
        """Hidden states of columns start .. start + width - 1, and the cache with those columns renewed.

        Args:
            tokens: those outside the window are known by the cache alone.
            positions: as in a call, of all columns.
            key_mask: as in a call, of all columns.
            cache: what `prefill` or `window` gave.
            start: first column of each row's window; the window lies within the columns.
            write_from: columns of the window before this one keep what is cached, and are seen so.
            width: static.
        """
        columns = start[:, None] + jnp.arange(width, dtype=start.dtype)[None, :]

        def of_window(rows: Array) -> Array:
            return jnp.take_along_axis(rows, columns, axis=1)

        written = columns >= write_from[:, None]
        column = jnp.arange(tokens.shape[1], dtype=start.dtype)[None, :]
        renewed = (column >= jnp.maximum(start, write_from)[:, None]) & (column < start[:, None] + width)
        context = _Context(of_window(positions), of_window(key_mask) & written, positions, key_mask & ~renewed)
        hidden, fresh = self._run(of_window(tokens), context, cache)
        return hidden, jax.tree.map(lambda old, new: _write_columns(old, new, start, written), cache, fresh)

    def attention_kernel(self, length: int) -> str:
        """By which a forward over all columns attends, on the mesh around the call: `splash`, `cudnn` or `xla`."""
        config = self.config
        case = Case(
            platform=self.platform,
            dtype=str(self.final_norm.scale.dtype),
            head_dim=config.head_dim,
            kv_heads=config.num_kv_heads,
            length=length,
            sliding=config.sliding is not None,
        )
        return choose_kernel(case)

    def head(self, hidden: Float[Array, "*axes D"]) -> Float[Array, "*axes V"]:
        """Logits in float32."""
        return contract("...D,VD->...V", hidden, self._head_weight(), dtype=jnp.float32)

    def head_chunk(
        self, hidden: Float[Array, "N D"], part: Int[Array, ""], start: Int[Array, ""], *, parts: int, size: int
    ) -> Float[Array, "parts size N"]:
        """Logits of some ids of some parts of the vocabulary, so that the whole of it need never be held at once.

        Args:
            hidden: as `head` takes them.
            part: the first; there are `config.vocabulary_parts`.
            start: within each part; size ids from here on are within it.
            parts: how many; static.
            size: static.
        """

        def rows(leaf: Array) -> Array:
            by_part = leaf.reshape(self.config.vocabulary_parts, -1, *leaf.shape[1:])
            starts: list[Any] = [part, start, *[0] * (leaf.ndim - 1)]
            return jax.lax.dynamic_slice(by_part, starts, (parts, size, *leaf.shape[1:]))

        return project(jax.tree.map(rows, self._head_weight()), hidden)

    def _head_weight(self) -> Any:
        return (self.embed_vd if self.config.tied_head else self.head_vd).get_value()

    def _run(
        self, tokens: Int[Array, "B L"], context: _Context, cache: KeyValues | None
    ) -> tuple[Float[Array, "B L D"], KeyValues]:
        config, sliding = self.config, self.config.sliding
        everywhere = _view(context, config, theta=config.rope_theta, scaling=config.rope_scaling)
        nearby = None if sliding is None else _view(context, config, theta=sliding.rope_theta, window=sliding.size)
        slides = None if sliding is None else jnp.asarray(sliding.layers)
        graph, stacked = nnx.split(self.layers)
        kernel = self.attention_kernel(tokens.shape[1]) if cache is None else "xla"
        scale = config.head_dim**-0.5 if config.query_scale is None else config.query_scale

        def view_of(slides: Bool[Array, ""] | None) -> _View:
            if slides is None or nearby is None:
                return everywhere
            view: _View = jax.tree.map(functools.partial(jnp.where, slides), nearby, everywhere)
            return view

        def attend_by(view: _View, past: KeyValues | None) -> Attend:
            if kernel != "xla":
                return attend_with(kernel, context.key_mask, view.mask, causal=config.causal, scale=scale)
            cached = [] if past is None or view.cached_mask is None else [Segment(past, view.cached_mask)]
            return lambda q, fresh: attend(q, [Segment(fresh, view.mask), *cached], scale=scale)

        def apply(x: Float[Array, "B L D"], layer: tuple[Any, KeyValues | None, Bool[Array, ""] | None]) -> Any:
            weights, past, slides = layer
            view = view_of(slides)
            return nnx.merge(graph, weights)(x, view.rotation, attend_by(view, past))

        x = look_up(self.embed_vd.get_value(), tokens, dtype=self.final_norm.scale.dtype)
        if config.scaled_embedding:  # rounded to the dtype of the weights, as in transformers' Gemma3
            x = x * jnp.asarray(math.sqrt(config.hidden_size), x.dtype)
        x, fresh = jax.lax.scan(apply, x, (stacked, cache, slides))
        return self.final_norm(x), fresh


class _Context(NamedTuple):
    """The positions that are computed, and those that they may see in a cache."""

    positions: Int[Array, "B L"]
    key_mask: Bool[Array, "B L"]
    """Which of them may be seen, by each other."""
    cached_positions: Int[Array, "B S"] | None = None
    cached_mask: Bool[Array, "B S"] | None = None


class _View(NamedTuple):
    """How one kind of layer sees the positions."""

    rotation: Rotation
    mask: Bool[Array, "B L L"]
    cached_mask: Bool[Array, "B L S"] | None


def _view(
    context: _Context, config: DecoderConfig, *, theta: float, scaling: Any = None, window: int | None = None
) -> _View:
    def visible(positions: Any, key_mask: Any) -> Any:
        return attention_mask(context.positions, positions, key_mask, causal=config.causal, window=window)

    return _View(
        rotation(context.positions, head_dim=config.head_dim, theta=theta, scaling=scaling),
        visible(context.positions, context.key_mask),
        None if context.cached_mask is None else visible(context.cached_positions, context.cached_mask),
    )


def _write_columns(
    old: Float[Array, "layers B L K H"],
    new: Float[Array, "layers B width K H"],
    start: Int[Array, " B"],
    written: Bool[Array, "B width"],
) -> Float[Array, "layers B L K H"]:
    def write(old: Array, new: Array, start: Array, written: Array) -> Array:
        kept = jax.lax.dynamic_slice_in_dim(old, start, new.shape[1], axis=1)
        return write_slice(old, jnp.where(written[None, :, None, None], new, kept), (0, start, 0, 0))

    return jax.vmap(write, in_axes=(1, 1, 0, 0), out_axes=1)(old, new, start, written)
