"""How long what is left of a sweep will take."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from coda_eval.config import DEFAULT_MAX_NEW_TOKENS, RunConfig


class Timed(NamedTuple):
    """A point that is done."""

    config: RunConfig
    decode_s: float
    """Of its batches."""
    setup_s: float
    """Loading, compiling and warming up, which the points after it share."""
    other_s: float
    """Extracting, judging."""


def seconds_left(done: Sequence[Timed], left: Sequence[RunConfig]) -> float | None:
    """What is left, by what the points of the same model took a step; None before the first is done."""
    if not done:
        return None
    rates = {
        model: _seconds_a_step([each for each in done if each.config.model == model])
        for model in {each.config.model for each in done}
    }
    overall = _seconds_a_step(done)
    decoding = sum(rates.get(config.model, overall) * _steps(config) for config in left)
    others = len(left) * statistics.median(each.other_s for each in done)
    new_models = {config.model for config in left} - rates.keys()
    return decoding + others + len(new_models) * max(each.setup_s for each in done)


def _seconds_a_step(done: Sequence[Timed]) -> float:
    return statistics.median(each.decode_s / _steps(each.config) for each in done)


def _steps(config: RunConfig) -> int:
    """The most forwards that a batch may take. A threshold takes fewer, which errs on the side of patience."""
    return config.sampler.steps or config.sampler.max_new_tokens or DEFAULT_MAX_NEW_TOKENS
