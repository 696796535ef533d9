"""Which points nothing beats, and the area under accuracy over parallelism."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

TOLERATED_DROP = 5.0
"""Percentage points below the first point; what is worse is left out of AUP."""
WEIGHT_SLOPE = 3.0


class Tradeoff(NamedTuple):
    """What a setting costs and what it gives."""

    cost: float
    """Less is better: seconds."""
    gain: float
    """More is better: pass@1."""


def pareto_front(points: Sequence[Tradeoff]) -> list[bool]:
    """Of each point, whether no other costs less and gains as much, or costs as much and gains more."""
    return [
        not any(
            other.cost <= point.cost
            and other.gain >= point.gain
            and (other.cost, other.gain) != (point.cost, point.gain)
            for other in points
        )
        for point in points
    ]


class Parallelism(NamedTuple):
    """A setting as AUP sees it."""

    tokens_per_forward: float
    accuracy: float
    """In percent."""


def accuracy_under_parallelism(points: Sequence[Parallelism], *, best: float) -> float | None:
    """AUP of one method (d3LLM, AUP_leaderboard/aup_utils.py).

    AUP = r1 y1 + sum over i >= 2 of (r_i - r_{i-1}) (y_i W_i + y_{i-1} W_{i-1}) / 2, with
    W(y) = min(exp(-3 (1 - y/best)), 1), over the points in order of r, without those whose accuracy is more than 5
    points below the first one's.

    Args:
        points: of one method.
        best: the highest accuracy of any method on the task, in percent. It belongs to the figure: another best gives
            another AUP.

    Returns:
        None where there is no point, or no method solves anything.
    """
    if not points or best <= 0:
        return None
    ordered = sorted(points)
    kept = [point for point in ordered if point.accuracy >= ordered[0].accuracy - TOLERATED_DROP]
    weighted = [point.accuracy * min(math.exp(-WEIGHT_SLOPE * (1 - point.accuracy / best)), 1.0) for point in kept]
    area = kept[0].tokens_per_forward * kept[0].accuracy
    for left, right, left_height, right_height in zip(kept, kept[1:], weighted, weighted[1:], strict=False):
        area += (right.tokens_per_forward - left.tokens_per_forward) * (left_height + right_height) / 2
    return area
