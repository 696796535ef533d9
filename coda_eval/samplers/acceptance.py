"""Which proposed tokens a step commits. Each rule is a small frozen object that the loop is handed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


class Offer(NamedTuple):
    """What a rule decides on."""

    confidence: Float[Array, "B G"]
    masked: Bool[Array, "B G"]
    """Positions of the canvas that hold nothing yet."""
    ratio: Float[Array, ""]
    """The schedule's share for this step (`transfer_ratios`)."""
    alg_temp: Float[Array, ""]
    keys: Key[Array, " B"]


@runtime_checkable
class AcceptanceRule(Protocol):
    """Decides on each step; hashable, since the compiled loop depends on it."""

    def idle(self, masked: Bool[Array, "B G"], ratio: Float[Array, ""]) -> Bool[Array, ""]:
        """This step commits nothing in any row, whatever the model says: its forward can be left out."""

    def accept(self, offer: Offer) -> Bool[Array, "B G"]:
        """The positions to commit, all of them masked."""


@dataclass(frozen=True)
class CountSchedule:
    """Commits the most confident share of the masked positions (Dream's and CoDA's rule).

    The reference takes one count for all rows, from the mean number of masks, and where a row has fewer it writes masks
    over tokens (generation_utils.py:507-527); here each row has its own count. Ties go to the earlier position.
    """

    def idle(self, masked: Bool[Array, "B G"], ratio: Float[Array, ""]) -> Bool[Array, ""]:
        """True for the steps whose count is truncated to zero."""
        return jnp.all(_counts(masked, ratio) == 0)

    def accept(self, offer: Offer) -> Bool[Array, "B G"]:
        """Most confident first; with `alg_temp`, drawn without replacement from softmax(confidence / alg_temp)."""
        noise = jax.vmap(lambda key: jax.random.gumbel(key, offer.masked.shape[1:]))(offer.keys)
        drawn = offer.confidence / jnp.where(offer.alg_temp > 0, offer.alg_temp, 1.0) + noise
        score = jnp.where(offer.alg_temp > 0, drawn, offer.confidence)
        rank = _rank(jnp.where(offer.masked, score, -jnp.inf))
        return (rank < _counts(offer.masked, offer.ratio)[:, None]) & offer.masked


@dataclass(frozen=True)
class IndependentTransfer:
    """Commits each masked position by itself with the schedule's probability (`origin`; Austin et al., 2021)."""

    def idle(self, masked: Bool[Array, "B G"], ratio: Float[Array, ""]) -> Bool[Array, ""]:
        """Only where nothing is masked."""
        return ~jnp.any(masked)

    def accept(self, offer: Offer) -> Bool[Array, "B G"]:
        """Confidence plays no part."""
        draws = jax.vmap(lambda key: jax.random.uniform(key, offer.masked.shape[1:]))(offer.keys)
        return (draws < offer.ratio) & offer.masked


@dataclass(frozen=True)
class LeftToRight:
    """Commits the first masked position: autoregressive decoding on the same loop."""

    def idle(self, masked: Bool[Array, "B G"], ratio: Float[Array, ""]) -> Bool[Array, ""]:
        """Only where nothing is masked."""
        return ~jnp.any(masked)

    def accept(self, offer: Offer) -> Bool[Array, "B G"]:
        """Neither confidence nor schedule plays a part."""
        return offer.masked & (jnp.cumsum(offer.masked.astype(jnp.int32), axis=1) == 1)


def _counts(masked: Bool[Array, "B G"], ratio: Float[Array, ""]) -> Int[Array, " B"]:
    """`int(masks * (1 - s/t))` in float32, as the reference truncates it (generation_utils.py:508)."""
    return (masked.sum(axis=1).astype(jnp.float32) * ratio).astype(jnp.int32)


def _rank(score: Float[Array, "B G"]) -> Int[Array, "B G"]:
    """0 for the highest score of the row; equal scores in order of position."""
    order = jnp.argsort(-score, axis=1, stable=True)
    return jnp.argsort(order, axis=1, stable=True)
