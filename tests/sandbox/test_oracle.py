"""The rules by which evalplus 0.3.1 accepts an output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from coda_sandbox import oracle, wire
from hypothesis import given
from hypothesis import strategies as st

numbers = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, 1.0 + 5e-7, 1e-6, 2e-6, 100.00001]),
)


def accepts(
    output: Any, expected: Any, *, rule: str = "close", arguments: list[Any] | None = None, atol: float = 0
) -> bool:
    """With the tolerance that evalplus would use for this as the only input."""
    [in_force] = oracle.tolerances([expected], atol)
    return oracle.accepts(rule, output, expected, arguments or [], atol=in_force, task_atol=atol)


@given(st.one_of(st.tuples(numbers, numbers), st.integers(0, 4).flatmap(
    lambda n: st.tuples(st.lists(numbers, min_size=n, max_size=n), st.lists(numbers, min_size=n, max_size=n))
)))  # fmt: skip
def test_closeness_is_numpys(pair: tuple[Any, Any]) -> None:
    """Numbers and flat sequences of them are compared without numpy, and as numpy does."""
    output, expected = pair
    with np.errstate(all="ignore"):
        assert oracle._close(output, expected, 1e-6) == np.allclose(output, expected, rtol=1e-07, atol=1e-6)


@pytest.mark.parametrize(
    ("output", "expected", "right"),
    [
        (1, True, True),
        (1, 1.0, True),
        (1.0 + 5e-7, 1.0, True),
        (1.0 + 5e-6, 1.0, False),
        ([1.0], [1.0 + 5e-7], True),
        ((1.0,), [1.0], False),
        ([1.0, 2.0], [1.0], False),
        ([1], [1.0 + 5e-7], True),
        (1, 1.0 + 5e-7, False),
        ("a", "a", True),
        (float("nan"), float("nan"), False),
        (float("inf"), float("inf"), True),
        ([[1.0]], [[1.0 + 5e-7]], False),
        ({"a": 1.0}, {"a": 1.0 + 5e-7}, False),
        (None, None, True),
        (None, 1.0, False),
        (wire.Opaque("generator"), 1.0, False),
    ],
)
def test_close_is_equality_or_a_tolerance_for_floats(output: Any, expected: Any, right: bool) -> None:
    """The tolerance asks for equal types, and applies only to floats and flat sequences of floats."""
    assert accepts(output, expected) is right


def test_the_tolerance_stays_once_a_float_was_expected() -> None:
    """`atol` is a variable of the loop in evalplus: what follows a float is compared with it too."""
    assert oracle.tolerances([1, [1.0], 2], 0) == [0, 1e-6, 1e-6]
    assert oracle.tolerances([1, [1.0]], 1e-4) == [1e-4, 1e-4]
    assert oracle.tolerances([[], (), "x", True], 0) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("rule", "output", "expected", "arguments", "atol", "right"),
    [
        ("find_zero", -0.5, None, [[1, 2]], 1e-4, True),
        ("find_zero", 0.5, None, [[1, 2]], 1e-4, False),
        ("find_zero", "x", None, [[1, 2]], 1e-4, False),
        ("set", [1, 2, 2], (2, 1), [], 0, True),
        ("set", [1], (2, 1), [], 0, False),
        ("set", 7, (2, 1), [], 0, False),
        ("not_none", "a match", True, [], 0, True),
        ("not_none", wire.Opaque("Match"), True, [], 0, True),
        ("not_none", None, True, [], 0, False),
        ("not_none", None, False, [], 0, True),
        ("not_none", False, False, [], 0, True),
        ("not_none", True, False, [], 0, False),
        ("are_equivalent", "anything", True, [], 0, True),
        ("sum_div", 0, 7, [12], 0, True),
        ("sum_div", 1, 7, [12], 0, False),
        ("surface_Area", 33, 0, [3, 4], 0, False),
        ("surface_Area", 35, 0, [3, 4], 0, True),
        ("digit_distance_nums", 9, 0, [1, 10], 0, False),
        ("digit_distance_nums", 6, 0, [23, 56], 0, True),
    ],
)
def test_special_rules(rule: str, output: Any, expected: Any, arguments: list[Any], atol: float, right: bool) -> None:
    """By the name of the rule."""
    assert accepts(output, expected, rule=rule, arguments=arguments, atol=atol) is right
