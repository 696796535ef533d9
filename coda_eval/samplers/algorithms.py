"""The decoding algorithms by name: an acceptance rule and what it takes as confidence."""

from __future__ import annotations

from dataclasses import dataclass

from coda_eval.samplers.acceptance import AcceptanceRule, CountSchedule, IndependentTransfer, LeftToRight
from coda_eval.samplers.confidence import Confidence, margin, negative_entropy, probability


@dataclass(frozen=True)
class Algorithm:
    """What the loop is handed."""

    rule: AcceptanceRule
    confidence: Confidence


ALGORITHMS: dict[str, Algorithm] = {
    "origin": Algorithm(IndependentTransfer(), probability),
    "maskgit_plus": Algorithm(CountSchedule(), probability),
    "topk_margin": Algorithm(CountSchedule(), margin),
    "entropy": Algorithm(CountSchedule(), negative_entropy),
    "autoregressive": Algorithm(LeftToRight(), probability),
}
