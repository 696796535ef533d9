"""Whether two programs are the same up to comments, blank lines and spelling, so that one execution serves both."""

from __future__ import annotations

import ast
import warnings

LONGEST_COMPARED = 100_000
"""Characters; longer programs are the same only where their text is."""


def same_program(first: str, second: str) -> bool:
    """Whether the texts are equal, or parse to the same tree."""
    if first == second:
        return True
    if max(len(first), len(second)) > LONGEST_COMPARED:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.dump(ast.parse(first)) == ast.dump(ast.parse(second))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
