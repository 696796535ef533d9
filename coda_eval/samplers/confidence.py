"""How sure the model is of a proposed token: what decides which positions are committed first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from coda_eval.samplers.tokens import Choice


@dataclass(frozen=True)
class Confidence:
    """Higher is surer."""

    of: Callable[[Choice, Float[Array, " N"]], Float[Array, " N"]]
    """Of the choice at each position, and a uniform random number for it."""
    entropy: bool = False
    """It looks at the entropy, which is computed only then."""
    margin: bool = False
    """It looks at the margin, likewise."""


PROBABILITY = Confidence(lambda choice, luck: jnp.exp(choice.log_probability))
"""The probability of the proposed token (`maskgit_plus`, `low_confidence`)."""

MARGIN = Confidence(lambda choice, luck: choice.margin, margin=True)
"""The probability of the best token less that of the second best (`topk_margin`)."""

NEGATIVE_ENTROPY = Confidence(lambda choice, luck: choice.negative_entropy, entropy=True)
"""The sum of p log p (`entropy`)."""

CHANCE = Confidence(lambda choice, luck: luck)
"""Uniform: positions are committed in random order (LLaDA's `random` remasking)."""
