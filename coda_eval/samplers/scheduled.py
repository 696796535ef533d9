"""Rules that commit a number of positions decided beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from coda_eval.samplers.acceptance import Offer, Pace, never, rank

_TINY = float(np.finfo(np.float32).tiny)


def transfer_counts(pace: Pace) -> Int[Array, " B"]:
    """`int(masks * (1 - s/t))` in float32, as Dream and CoDA truncate it (generation_utils.py:508).

    They take one count for all rows, from the mean number of masks, and where a row has fewer they write masks over
    tokens (generation_utils.py:507-527); here each row has its own count, which is the same where rows are alike.
    """
    return (pace.masks.astype(jnp.float32) * pace.ratio).astype(jnp.int32)


def quotas(pace: Pace) -> Int[Array, " B"]:
    """Equal shares, the larger ones first (LLaDA, generate.py: get_num_transfer_tokens)."""
    return -(-pace.masks // pace.steps_left)


@dataclass(frozen=True)
class MostConfident:
    """Commits the most confident positions, so many as `count` says. Ties go to the earlier position."""

    count: Callable[[Pace], Int[Array, " B"]]

    def idle(self, pace: Pace) -> Bool[Array, " B"]:
        """True for steps whose count is zero."""
        return self.count(pace) == 0

    def accept(self, offer: Offer) -> Bool[Array, "B L"]:
        """Most confident first; with `alg_temp`, drawn without replacement from softmax(confidence / alg_temp)."""
        alg_temp = offer.knobs.alg_temp
        gumbel = -jnp.log(-jnp.log(jnp.maximum(offer.luck, _TINY)))
        noisy = offer.confidence / jnp.where(alg_temp > 0, alg_temp, 1.0) + gumbel
        score = jnp.where(alg_temp > 0, noisy, offer.confidence)
        ranks = rank(jnp.where(offer.candidates, score, -jnp.inf))
        return (ranks < self.count(offer.pace)[:, None]) & offer.candidates


@dataclass(frozen=True)
class IndependentTransfer:
    """Commits each masked position by itself with the schedule's probability (`origin`; Austin et al., 2021)."""

    def idle(self, pace: Pace) -> Bool[Array, " B"]:
        """Never: chance decides."""
        return never(pace)

    def accept(self, offer: Offer) -> Bool[Array, "B L"]:
        """Confidence plays no part."""
        return (offer.luck < offer.pace.ratio[:, None]) & offer.candidates


@dataclass(frozen=True)
class LeftToRight:
    """Commits the first masked position: autoregressive decoding on the same loop."""

    def idle(self, pace: Pace) -> Bool[Array, " B"]:
        """Never."""
        return never(pace)

    def accept(self, offer: Offer) -> Bool[Array, "B L"]:
        """Neither confidence nor schedule plays a part."""
        return offer.candidates & (jnp.cumsum(offer.candidates.astype(jnp.int32), axis=1) == 1)
