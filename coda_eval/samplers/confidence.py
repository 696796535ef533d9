"""How sure the model is of a proposed token: what decides which positions are committed first."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from coda_eval.samplers.tokens import Choice

Confidence = Callable[[Choice, Float[Array, " N"]], Float[Array, " N"]]
"""Of the choice at each position, and a uniform random number for it. Higher is surer."""


def probability(choice: Choice, luck: Float[Array, " N"]) -> Float[Array, " N"]:
    """The probability of the proposed token (`maskgit_plus`, `low_confidence`)."""
    return jnp.exp(choice.log_probability)


def margin(choice: Choice, luck: Float[Array, " N"]) -> Float[Array, " N"]:
    """The probability of the best token less that of the second best (`topk_margin`)."""
    return choice.margin


def negative_entropy(choice: Choice, luck: Float[Array, " N"]) -> Float[Array, " N"]:
    """The sum of p log p (`entropy`)."""
    return choice.negative_entropy


def chance(choice: Choice, luck: Float[Array, " N"]) -> Float[Array, " N"]:
    """Uniform: positions are committed in random order (LLaDA's `random` remasking)."""
    return luck
