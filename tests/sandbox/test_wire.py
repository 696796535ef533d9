"""Plain data survive the way through JSON with their exact types; nothing else gets through."""

from __future__ import annotations

import enum
import json
import math
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from coda_sandbox import wire
from hypothesis import given
from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 20_000).map(lambda exponent: -(3**exponent))
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.fractions()
)
HASHABLE = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner), max_leaves=8
)
PLAIN = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(HASHABLE, inner)
        | st.sets(HASHABLE)
        | st.lists(inner).map(tuple)
        | st.lists(inner).map(deque)
        | st.dictionaries(HASHABLE, inner).map(OrderedDict)
    ),
    max_leaves=20,
)


def send(value: Any) -> Any:
    return wire.decode(json.loads(json.dumps(wire.encode(value))))


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(left) is not type(right) or left != right:
        return False
    if isinstance(left, dict):
        pairs = zip(left.items(), right.items(), strict=True)
        return all(same(a, b) for pair in pairs for a, b in zip(*pair, strict=True))
    if isinstance(left, list | tuple | deque):
        return all(same(a, b) for a, b in zip(left, right, strict=True))
    return True


@given(PLAIN)
def test_plain_data_survive(value: object) -> None:
    """What arrives equals what was sent, and has its types."""
    assert same(send(value), value)


@pytest.mark.parametrize(
    "value",
    [
        Counter("abca"),
        defaultdict(None, {1: [2]}),
        range(3, 9, 2),
        slice(1, None),
        bytearray(b"\x00\xff"),
        Decimal("1.100"),
        Fraction(-1, 3),
        ...,
        -0.0,
        float("-inf"),
        deque([1, 2], maxlen=2),
    ],
    ids=repr,
)
def test_other_built_in_types_survive(value: object) -> None:
    """The types that programs return beside the JSON-like ones."""
    arrived = send(value)
    assert (type(arrived), arrived, str(arrived)) == (type(value), value, str(value))


def test_nan_survives() -> None:
    """It is not equal to itself, here as there."""
    assert math.isnan(send(float("nan")))
    assert math.isnan(send([float("nan")])[0])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.array(1.5),
        np.zeros((0, 3)),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.array(["a", "bc"]),
        np.arange(4, dtype=np.uint8),
    ],
    ids=str,
)
def test_arrays_survive(array: np.ndarray) -> None:
    """Values, shape and dtype."""
    arrived = send(array)
    assert (arrived.dtype, arrived.shape) == (array.dtype, array.shape)
    assert np.array_equal(arrived, array)


def test_numpy_scalars_survive() -> None:
    """A float32 stays one."""
    arrived = send({"x": np.float32(0.1), "n": np.int64(3)})
    assert (type(arrived["x"]), type(arrived["n"])) == (np.float32, np.int64)
    assert arrived == {"x": np.float32(0.1), "n": 3}


class Right(int):
    """Equals everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Color(enum.IntEnum):
    RED = 3


@pytest.mark.parametrize(
    ("value", "arrives_as"),
    [
        (Right(7), 7),
        (Color.RED, 3),
        (namedtuple("P", "x y")(1, 2), (1, 2)),
        ({"x": Right(7)}, {"x": 7}),
    ],
)
def test_an_instance_of_a_subclass_arrives_as_the_built_in_value(value: object, arrives_as: object) -> None:
    """No method of the subclass arrives with it."""
    assert same(send(value), arrives_as)


@pytest.mark.parametrize(
    "value",
    [object(), (i for i in ()), len, type, {"x": object()}, np.array([object()])],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_refused(value: object) -> None:
    """The tests' arguments must be plain data."""
    with pytest.raises(wire.Unencodable):
        wire.encode(value)


def test_a_program_may_return_anything_and_only_its_type_arrives() -> None:
    """It is true or false as it was there, and equal to nothing."""
    arrived = wire.decode(wire.encode([object()], opaque=True))[0]
    assert isinstance(arrived, wire.Opaque)
    assert arrived.type_name == "object"
    assert arrived
    assert arrived != object()


def test_a_cycle_ends() -> None:
    """Nesting beyond the limit is not plain data."""
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(wire.Unencodable, match="nested over"):
        wire.encode(cycle)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*wire._DECODERS, "x"]), inner, max_size=2)
    ),
    max_leaves=12,
)


@given(JSON)
def test_forged_messages_are_malformed_or_plain_data(message: object) -> None:
    """Whatever a program writes, decoding yields a value of our types or one error of ours."""
    try:
        value = wire.decode(message)
    except wire.Malformed:
        return
    module = type(value).__module__
    assert module in {"builtins", "collections", "decimal", "fractions", "numpy", "coda_sandbox.wire"}


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"i": "0x1", "t": []},
        {"eval": "1"},
        {"i": "zz"},
        {"s": [[1]]},
        {"fraction": [1, 0]},
        {"array": ["|O", [1], [1]]},
        {"array": ["<i8", [1], [1 << 40]]},
        {"array": ["<U999999", ["a"] * 100, [100]]},
    ],
    ids=repr,
)
def test_damaged_messages_are_refused(message: object) -> None:
    """Each with the same error."""
    with pytest.raises(wire.Malformed):
        wire.decode(message)
