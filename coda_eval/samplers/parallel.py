"""Rules that commit as many positions as the model is sure of.

Each commits at least one, and where `--steps` asks for more, the most confident ones at that pace: steps are an upper
bound on forwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from coda_eval.samplers.acceptance import Offer, Pace, at_pace, never, precedes, rank

HIERARCHY_FLOOR = 0.4
"""Confidence from which the best position of a run of masks is committed (dInfer, parallel_strategy.py:418-498)."""


@dataclass(frozen=True)
class Threshold:
    """Commits where the confidence is at least the threshold (Fast-dLLM, llada/generate.py:235-261)."""

    entropy: bool = False
    """The confidence is a negative entropy, which must not exceed the threshold in size (d3LLM)."""

    def idle(self, pace: Pace) -> Bool[Array, " B"]:
        """Never."""
        return never(pace)

    def accept(self, offer: Offer) -> Bool[Array, "B L"]:
        """The best one always, whatever its confidence."""
        bar = -offer.knobs.threshold if self.entropy else offer.knobs.threshold
        return (offer.candidates & (offer.confidence >= bar)) | at_pace(offer)


@dataclass(frozen=True)
class Factor:
    """Commits the n best, n the largest with (n + 1)(1 - c_n) < factor (Fast-dLLM, arXiv 2505.22618, section 3.3).

    The released code takes the last position that it looks at even where it fails (serving/llada/generate.py:279-317).
    """

    def idle(self, pace: Pace) -> Bool[Array, " B"]:
        """Never."""
        return never(pace)

    def accept(self, offer: Offer) -> Bool[Array, "B L"]:
        """c_n is the n-th highest confidence; the left side only grows with n."""
        n = rank(offer.confidence).astype(jnp.float32) + 1
        return (offer.candidates & ((n + 1) * (1 - offer.confidence) < offer.knobs.factor)) | at_pace(offer)


@dataclass(frozen=True)
class EntropyBound:
    """Commits the least entropic positions while the entropy of those before the last is within the bound.

    EB-Sampler (arXiv 2505.24857): the largest prefix whose sum of entropies less the largest of them is at most the
    bound. The confidence is the negative entropy.
    """

    def idle(self, pace: Pace) -> Bool[Array, " B"]:
        """Never."""
        return never(pace)

    def accept(self, offer: Offer) -> Bool[Array, "B L"]:
        """The first is within any bound."""
        # Entropies may come out a rounding error below zero.
        entropy = jnp.where(offer.candidates, jnp.maximum(-offer.confidence, 0.0), 0.0)
        before = jnp.sum(jnp.where(precedes(offer.confidence), entropy[:, :, None], 0.0), axis=1)
        return (offer.candidates & (before <= offer.knobs.entropy_bound)) | at_pace(offer)


@dataclass(frozen=True)
class Hierarchy:
    """Commits the best of each run of masks, and all above the threshold (dInfer, parallel_strategy.py:418-498).

    A run is cut in the middle before its ends, so that tokens far apart come first.
    """

    def idle(self, pace: Pace) -> Bool[Array, " B"]:
        """Never."""
        return never(pace)

    def accept(self, offer: Offer) -> Bool[Array, "B L"]:
        """The best of a run only from `HIERARCHY_FLOOR` on; the best of all always."""
        confidence = jnp.where(offer.candidates, offer.confidence, -jnp.inf)
        best = jax.vmap(_best_of_runs)(confidence, offer.candidates) & (confidence > HIERARCHY_FLOOR)
        return best | (offer.candidates & (confidence > offer.knobs.threshold)) | at_pace(offer)


def _best_of_runs(confidence: Float[Array, " L"], candidates: Bool[Array, " L"]) -> Bool[Array, " L"]:
    """The first of the surest positions of each run of neighbouring candidates."""
    length = confidence.shape[0]
    position = jnp.arange(length)
    run = jnp.cumsum((~candidates).astype(jnp.int32))  # the same number within a run
    highest = jax.ops.segment_max(confidence, run, num_segments=length + 1)[run]
    at_highest = candidates & (confidence == highest)
    first = jax.ops.segment_min(jnp.where(at_highest, position, length), run, num_segments=length + 1)[run]
    return at_highest & (position == first)
