"""The longest run of lines that is Python, as the sanitizers of evalplus and of CoDA's harness look for it.

They try every run in turn: n^2/2 parses of up to n lines each. Here the longest are tried first, and the search ends at
the first that parses; the result is the same. Work is bounded, in characters parsed and not in seconds, so that a
program does not depend on the machine.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence

PARSED_CHARACTERS = 20_000_000
"""At most so many in one search: about ten seconds."""


def longest_parsing_run(lines: Sequence[str], *, shortest: int) -> str | None:
    """The run of at least `shortest` lines with the most lines that are not blank; the first of several.

    None where there is none, or where finding it takes more than the bound.
    """
    filled = [0]
    length = [0]
    for line in lines:
        filled.append(filled[-1] + bool(line.strip()))
        length.append(length[-1] + len(line) + 1)
    runs = [
        (filled[start] - filled[stop], start, stop)
        for start in range(len(lines))
        for stop in range(start + shortest, len(lines) + 1)
        if filled[stop] > filled[start]
    ]
    runs.sort()
    left = PARSED_CHARACTERS
    for _, start, stop in runs:
        left -= length[stop] - length[start]
        if left < 0:
            return None
        run = "\n".join(lines[start:stop])
        if parses(run):
            return run
    return None


def parses(source: str) -> bool:
    """Whether the source is Python. What a parser cannot take at all (NUL bytes, a thousand brackets) is not."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of `\d` in a string, `is` with a literal
            ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True
