"""When an output counts as the expected one: the rules of evalplus 0.3.1, on plain data.

Source: `evalplus/eval/__init__.py`, `unsafe_execute`, and `evalplus/eval/_special_oracle.py`. Two deliberate
differences: `find_zero` is evaluated on the input that was sent, not on what the program made of it (a program could
otherwise choose the polynomial); and a result that is not plain data never equals anything, whatever its `__eq__` says.
"""

import importlib
import math
from collections.abc import Callable
from typing import Any

from coda_sandbox import wire

_RTOL = 1e-07
_FLOAT_ATOL = 1e-6
"""What a tolerance of 0 becomes with the first expected output that is a float, for it and for all that follow."""

_EXACT_INT = 1 << 53


def tolerances(expected: list[Any], atol: float) -> list[float]:
    """The tolerance in force at each expected output."""
    in_force = []
    for value in expected:
        if atol == 0 and _is_floats(value):
            atol = _FLOAT_ATOL
        in_force.append(atol)
    return in_force


def accepts(oracle: str, output: Any, expected: Any, arguments: list[Any], *, atol: float, task_atol: float) -> bool:
    """Whether `output` is right.

    Args:
        oracle: a name out of `ORACLES`.
        output: what the program returned.
        expected: what the reference returned; for `not_none`, whether that was not None.
        arguments: the input.
        atol: the tolerance in force, of `tolerances`.
        task_atol: the tolerance of the task as such.
    """
    try:
        if oracle == "find_zero":
            return bool(abs(_polynomial(*arguments, output)) <= task_atol)
        if ORACLES[oracle](output, expected, arguments, task_atol):
            return True
        if atol == 0 or type(output) is not type(expected):
            return False
        if isinstance(expected, list | tuple) and len(output) != len(expected):
            return False
        return _close(output, expected, atol)
    except ImportError:
        raise  # numpy is missing: that says nothing about the program
    except Exception:
        return False


def _equal(output: Any, expected: Any) -> bool:
    return bool(output == expected)


def _not_none(output: Any, expected: Any) -> bool:
    if isinstance(output, bool):
        return output == expected
    return bool(expected == (output is not None))


def _surface_area(base_edge: Any, height: Any) -> int:
    slant_height = math.sqrt((base_edge / 2) ** 2 + height**2)
    return round(base_edge**2 + 4 * (base_edge * slant_height) / 2)


def _digit_distance(first: Any, second: Any) -> int:
    width = max(len(str(first)), len(str(second)))
    pairs = zip(str(first).zfill(width), str(second).zfill(width), strict=True)
    return sum(abs(int(a) - int(b)) for a, b in pairs)


def _polynomial(coefficients: Any, x: Any) -> Any:
    return sum(c * math.pow(x, i) for i, c in enumerate(coefficients))


# Equality under each rule, before the tolerance: (output, expected, arguments, atol of the task).
ORACLES: dict[str, Callable[[Any, Any, list[Any], float], bool]] = {
    "close": lambda out, exp, args, atol: _equal(out, exp),
    "find_zero": lambda out, exp, args, atol: False,
    "set": lambda out, exp, args, atol: set(out) == set(exp),
    "not_none": lambda out, exp, args, atol: _not_none(out, exp),
    "are_equivalent": lambda out, exp, args, atol: True,
    "sum_div": lambda out, exp, args, atol: _equal(out, exp) or bool(out == 0),
    "surface_Area": lambda out, exp, args, atol: _equal(out, exp) or bool(abs(out - _surface_area(*args)) <= atol),
    "digit_distance_nums": lambda out, exp, args, atol: _equal(out, exp) or bool(out == _digit_distance(*args)),
}


def _is_floats(value: Any) -> bool:
    if isinstance(value, float):
        return True
    if isinstance(value, list | tuple) and value:
        return all(isinstance(item, float) for item in value)
    return wire.is_array(value) and value.dtype.str[1:] in ("f4", "f8")


def _close(output: Any, expected: Any, atol: float) -> bool:
    """`numpy.allclose`, without numpy where the operands are numbers or flat sequences of numbers of one length."""
    if _is_number(output) and _is_number(expected):
        return _number_close(output, expected, atol)
    if (
        isinstance(expected, list | tuple)
        and len(expected) == len(output)
        and all(map(_is_number, output))
        and all(map(_is_number, expected))
    ):
        return all(_number_close(a, b, atol) for a, b in zip(output, expected, strict=True))
    numpy = importlib.import_module("numpy")
    return bool(numpy.allclose(output, expected, rtol=_RTOL, atol=atol))


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and -_EXACT_INT < value < _EXACT_INT)


def _number_close(output: float, expected: float, atol: float) -> bool:
    return output == expected or (math.isfinite(expected) and abs(output - expected) <= atol + _RTOL * abs(expected))
