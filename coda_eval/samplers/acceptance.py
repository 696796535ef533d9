"""Which proposed tokens a step commits. Each rule is a small frozen object that the loop is handed."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class AcceptanceKnobs(NamedTuple):
    """Traced; a rule reads its own."""

    alg_temp: Float[Array, ""]
    """Temperature of the choice of positions; 0 takes the most confident ones."""
    threshold: Float[Array, ""]
    factor: Float[Array, ""]
    entropy_bound: Float[Array, ""]


class Pace(NamedTuple):
    """Where each row is in the schedule of its block."""

    masks: Int[Array, " B"]
    """Masked positions of the block."""
    steps_left: Int[Array, " B"]
    """At least 1."""
    ratio: Float[Array, " B"]
    """Dream's share for this step (`transfer_ratios`)."""


class Offer(NamedTuple):
    """What a rule decides on."""

    confidence: Float[Array, "B L"]
    """Minus infinity where nothing is on offer."""
    candidates: Bool[Array, "B L"]
    """Masked positions for which a token is proposed."""
    leading: Bool[Array, "B L"]
    """Those among which at least one must be committed, where there are any."""
    pace: Pace
    knobs: AcceptanceKnobs
    luck: Float[Array, "B L"]
    """Uniform in [0, 1), where chance plays a part."""


@runtime_checkable
class AcceptanceRule(Protocol):
    """Decides on each step; hashable, since the compiled loop depends on it."""

    def idle(self, pace: Pace) -> Bool[Array, " B"]:
        """This step commits nothing in the row, whatever the model says: its forward can be left out."""

    def accept(self, offer: Offer) -> Bool[Array, "B L"]:
        """The positions to commit, all of them candidates."""


def never(pace: Pace) -> Bool[Array, " B"]:
    """No step of any row is idle: the model decides how many positions are committed."""
    return jnp.zeros_like(pace.masks, bool)


def precedes(score: Float[Array, "B L"]) -> Bool[Array, "B L L"]:
    """`[b, j, i]`: position j of row b comes before position i: it has the higher score, or the same further left.

    Comparing all pairs takes the place of a sort: rows are short, and sorts are slow to compile and to run.
    """
    left = jnp.arange(score.shape[1])
    mine, other = score[:, None, :], score[:, :, None]
    return (other > mine) | ((other == mine) & (left[:, None] < left[None, :])[None])


def rank(score: Float[Array, "B L"]) -> Int[Array, "B L"]:
    """0 for the highest score of the row; equal scores in order of position."""
    return jnp.sum(precedes(score), axis=1, dtype=jnp.int32)


def at_pace(offer: Offer) -> Bool[Array, "B L"]:
    """The most confident leading candidates that must be committed for the block to be done in its steps."""
    due = -(-offer.pace.masks // offer.pace.steps_left)
    leading = rank(jnp.where(offer.leading, offer.confidence, -jnp.inf))
    return offer.leading & (leading < jnp.maximum(due, 1)[:, None])
