"""evalplus' own `sanitize`, with bounds.

evalplus 0.3.1 (codegen.py:88-94, provider/hf.py:104-114, sanitize.py). What it cannot take (NUL bytes, lone surrogates,
very deep or very long text) stays as it is: the sandbox says then what is wrong with it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from coda_eval.extract.longest import longest_parsing_run
from coda_eval.extract.text import Answer
from coda_eval.records import Problem

LONGEST_IMPLEMENTATION = 10_000
"""Characters of a completion that evalplus looks at (provider/hf.py:108)."""
LONGEST_RUNS = 700
"""Lines of a text in which the longest run is searched; a completion cut to 10,000 characters has rarely a tenth."""


def sanitized_by_evalplus(problem: Problem, answer: Answer) -> str | None:
    """The definitions that the entry point reaches, out of the longest run of lines that parses."""
    implementation = answer.text[:LONGEST_IMPLEMENTATION].replace("\t", "    ")
    text = f"{problem.prompt.strip()}\n{implementation}" if answer.continues_prompt else implementation
    return sanitize(text, problem.entry_point) if text.strip() else None


def sanitize(text: str, entry_point: str) -> str:
    """What evalplus makes of a text; the text itself where evalplus would fail."""
    try:
        return str(_library().sanitize(text, entry_point))
    except (ValueError, RecursionError, MemoryError):
        return text


@cache
def _library() -> Any:
    """The module, with its search for the longest run replaced by one that finds the same in a fraction of the time."""
    from evalplus import sanitize as library  # not above: it loads pandas and a parser

    library.code_extract = _code_extract
    return library


def _code_extract(text: str) -> str:
    """As evalplus' (sanitize.py:31-52): runs of one line are never tried, and the first line is what is left then."""
    lines = text.split("\n")
    if len(lines) > LONGEST_RUNS:
        raise ValueError(f"{len(lines)} lines")
    found = longest_parsing_run(lines, shortest=2)
    return lines[0] if found is None else found
