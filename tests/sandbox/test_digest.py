"""Hashes of outputs that are too large to be sent."""

from __future__ import annotations

from typing import Any

import pytest
from coda_sandbox.digest import digest, is_large
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([1, 2.0, True], [1.0, 2, 1], True),
        ([1, 2], (1, 2), False),
        ([1, 2], [2, 1], False),
        ([-1], [-2], False),
        (["a"] * 9000, ["a"] * 9000, True),
        (["a"] * 9000, ["a"] * 8999 + ["b"], False),
        ([(1, "x")], [(1, "x")], True),
        ("text", "text", True),
        ([0.0, 1], [-0.0, True], True),
        ([-1e-300, 0.5], [1e-300, 0.5], False),
        ([1 << 53], [(1 << 53) + 1], False),
        ([1 << 60, 0], [float(1 << 60), -0.0], True),
        ([1 << 2000], [1 << 2000], True),
        ([1 << 2000], [(1 << 2000) + 1], False),
        ([float("inf")], [float("-inf")], False),
    ],
)
def test_equal_outputs_have_equal_hashes(one: Any, other: Any, same: bool) -> None:
    """Numbers of a flat sequence are equal by value; the kind of sequence counts."""
    assert (digest(one) == digest(other)) is same


numbers = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans())


@given(st.lists(st.tuples(numbers, numbers), max_size=8))
def test_numbers_are_hashed_by_value(pairs: list[tuple[Any, Any]]) -> None:
    """Whatever their types and sizes."""
    one, other = [first for first, _ in pairs], [second for _, second in pairs]
    by_value = [int(number) if number == number // 1 and abs(number) < 2**1000 else number for number in one]
    assert (digest(one) == digest(other)) is (one == other)
    assert digest(one) == digest(by_value)


def test_what_is_not_plain_data_has_none() -> None:
    """An object of the program's own cannot pass for data."""
    assert digest([object()]) == ""


@pytest.mark.parametrize(
    ("value", "large"),
    [
        ([0] * 100_001, True),
        ([(0,) * 1000] * 200, True),
        ("x" * 1_000_001, True),
        ([0.0] * 200_000, False),
        ([0.0] * 200_000 + [0], True),
        ([0] * 1000, False),
        (7, False),
    ],
)
def test_only_what_is_large_and_compared_exactly_is_hashed(value: Any, large: bool) -> None:
    """Floats are compared by tolerance, which a hash cannot."""
    assert is_large(value) is large
