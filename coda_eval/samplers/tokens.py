"""One proposed token a position: what is proposed, from which part of the vocabulary, and how it is drawn."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

LEAST = -1e30
"""Stands for minus infinity among logits: products with zero stay zero."""


class TokenKnobs(NamedTuple):
    """Traced, so that sweeping them compiles nothing."""

    temperature: Float[Array, ""]
    """0 is greedy, with the confidences of temperature 1."""
    top_p: Float[Array, ""]
    """1 keeps every token."""
    top_k: Int[Array, ""]
    """0 keeps every token."""

    @property
    def restricted(self) -> Bool[Array, ""]:
        """Some tokens are left out of the distribution."""
        return (self.top_p < 1) | (self.top_k > 0)

    @property
    def scale(self) -> Float[Array, ""]:
        """Of the logits."""
        return 1 / jnp.where(self.temperature > 0, self.temperature, 1.0)


class Vocabulary(NamedTuple):
    """What may become of a token."""

    emittable: Bool[Array, " V"]
    """May be written. The others keep their part of the distribution: the references' confidences have it too."""
    removed: Bool[Array, " V"] | None = None
    """Has no part in the distribution either; None where all have."""


class Choice(NamedTuple):
    """A token for each position, and what confidences are made of: the distribution after temperature, top-p, top-k."""

    tokens: Int[Array, " N"]
    log_probability: Float[Array, " N"]
    """Of the token; minus infinity where top-p and top-k exclude every token that may be written."""
    negative_entropy: Float[Array, " N"]
    """NaN where it was not asked for."""
    margin: Float[Array, " N"]
    """The probability of the best token less that of the second best; NaN where it was not asked for."""
