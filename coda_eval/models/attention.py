"""Attention over one or more segments of keys: those of the inputs, and those that a cache holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from coda_eval.models.linear import precision

_LEAST = float(np.finfo(np.float32).min)


class KeyValues(NamedTuple):
    """Keys, rotated already, and values; of one layer, or of all with a leading axis."""

    keys: Float[Array, "*layers B S K H"]
    values: Float[Array, "*layers B S K H"]


class Segment(NamedTuple):
    """Keys and values, and who may see them."""

    past: KeyValues
    mask: Bool[Array, "B L S"]
    """`mask[b, l, s]`: may query l of row b see key s."""


Attend = Callable[[Float[Array, "B L N H"], KeyValues], Float[Array, "B L N H"]]
"""What a layer does with its queries, rotated, and its new keys and values."""


def attend(q: Float[Array, "B L N H"], segments: Sequence[Segment], *, scale: float) -> Float[Array, "B L N H"]:
    """Softmax attention over all segments together, as if their keys stood in one array; nothing is copied for it."""
    B, L, N, H = q.shape
    K = segments[0].past.keys.shape[2]
    q = q.reshape(B, L, K, N // K, H)

    def scores(segment: Segment) -> Float[Array, "B K G L S"]:
        products = jnp.einsum(
            "BLKGH,BSKH->BKGLS", q, segment.past.keys, preferred_element_type=jnp.float32, precision=precision(q)
        )
        # A finite minimum, so that a row that may see nothing (padding) gives numbers and not NaN.
        return jnp.where(segment.mask[:, None, None, :, :], products * scale, _LEAST)

    weights = jax.nn.softmax(jnp.concatenate([scores(segment) for segment in segments], axis=-1), axis=-1)
    ends = np.cumsum([segment.mask.shape[-1] for segment in segments])[:-1]
    mixed = [
        jnp.einsum("BKGLS,BSKH->BLKGH", part.astype(q.dtype), segment.past.values, precision=precision(q))
        for part, segment in zip(jnp.split(weights, ends, axis=-1), segments, strict=True)
    ]
    return sum(mixed[1:], start=mixed[0]).reshape(B, L, N, H)


def attention_mask(
    positions: Int[Array, "B L"],
    key_positions: Int[Array, "B S"],
    key_mask: Bool[Array, "B S"],
    *,
    causal: bool,
    window: int | None = None,
) -> Bool[Array, "B L S"]:
    """Which query may see which key: every one that `key_mask` lets, and no later one where `causal`.

    Args:
        positions: of the queries.
        key_positions: of the keys.
        key_mask: False for padding.
        causal: a query sees its own position and those before it.
        window: how many positions a query sees at most, its own included; a causal query only.
    """
    distance = positions[:, :, None] - key_positions[:, None, :]
    visible = jnp.broadcast_to(key_mask[:, None, :], distance.shape)
    if causal:
        visible = visible & (distance >= 0)
    if window is not None:
        visible = visible & (distance < window)
    return visible
