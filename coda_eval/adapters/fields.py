"""Reading the fields of a row, with errors that name the field."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Any

from coda_eval.errors import TaskError


def take(row: Mapping[str, object], name: str, *kinds: type) -> Any:
    """The value of a field.

    Raises:
        TaskError: it is missing, or of none of these kinds.
    """
    value = row.get(name)
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = " or ".join(kind.__name__ for kind in kinds)
        found = f"of type {type(value).__name__}" if name in row else "missing"
        raise TaskError(f"`{name}` is {found}; expected {expected}")
    return value


def parse(name: str, source: str) -> ast.Module:
    r"""The tree of a field that holds Python.

    Raises:
        TaskError: it does not.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of `\w` in a string
            return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise TaskError(f"`{name}` is not Python ({error})") from None


def take_texts(row: Mapping[str, object], name: str) -> tuple[str, ...]:
    """The value of a field that is a list of strings.

    Raises:
        TaskError: it is missing or something else.
    """
    values = take(row, name, list)
    if not all(isinstance(value, str) for value in values):
        raise TaskError(f"`{name}` holds something that is not a string; expected a list of strings")
    return tuple(values)
