"""How sure the model is of a proposed token: what decides which positions are committed first."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from coda_eval.samplers.tokens import Proposal

Confidence = Callable[[Proposal], Float[Array, "B L"]]
"""Higher is surer."""


def probability(proposal: Proposal) -> Float[Array, "B L"]:
    """The probability of the proposed token (`maskgit_plus`)."""
    chosen = jnp.take_along_axis(proposal.log_probabilities, proposal.tokens[..., None], axis=-1)
    return jnp.exp(chosen[..., 0])


def margin(proposal: Proposal) -> Float[Array, "B L"]:
    """The probability of the best token less that of the second best (`topk_margin`)."""
    best = jax.lax.top_k(jnp.exp(proposal.log_probabilities), 2)[0]
    return best[..., 0] - best[..., 1]


def negative_entropy(proposal: Proposal) -> Float[Array, "B L"]:
    """The sum of p log(p + 1e-10) (`entropy`; CoDA, generation_utils.py:94)."""
    probabilities = jnp.exp(proposal.log_probabilities)
    return jnp.sum(probabilities * jnp.log(probabilities + 1e-10), axis=-1)
