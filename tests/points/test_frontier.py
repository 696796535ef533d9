"""The Pareto front and AUP."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coda_eval.points.frontier import Parallelism, Tradeoff, accuracy_under_parallelism, pareto_front

TRADEOFFS = st.lists(st.builds(Tradeoff, st.integers(0, 9).map(float), st.integers(0, 9).map(float)), min_size=1)


@given(TRADEOFFS)
def test_every_point_off_the_front_is_beaten_by_one_on_it(points: list[Tradeoff]) -> None:
    """And none on it is beaten."""
    front = pareto_front(points)
    best = [point for point, on_front in zip(points, front, strict=True) if on_front]
    for point, on_front in zip(points, front, strict=True):
        beaten = any(
            (other.cost < point.cost and other.gain >= point.gain)
            or (other.cost <= point.cost and other.gain > point.gain)
            for other in best
        )
        assert beaten != on_front


def test_aup_of_one_point_is_its_rectangle() -> None:
    """As for an autoregressive model at one token a forward."""
    assert accuracy_under_parallelism([Parallelism(1.0, 72.3)], best=80.0) == pytest.approx(72.3)


def test_aup_by_hand() -> None:
    """Two points, the second below the best."""
    weight = math.exp(-3 * (1 - 57 / 60))
    expected = 1.0 * 60 + (3.0 - 1.0) * (57 * weight + 60) / 2
    assert accuracy_under_parallelism([Parallelism(3.0, 57.0), Parallelism(1.0, 60.0)], best=60.0) == pytest.approx(
        expected
    )


def test_aup_leaves_out_what_is_much_worse_than_the_first() -> None:
    """More than five points below."""
    kept = [Parallelism(1.0, 60.0), Parallelism(2.0, 58.0)]
    dropped = [*kept, Parallelism(4.0, 54.9)]
    assert accuracy_under_parallelism(dropped, best=60.0) == accuracy_under_parallelism(kept, best=60.0)


def test_aup_is_unknown_without_points() -> None:
    """Not 0."""
    assert accuracy_under_parallelism([], best=60.0) is None
