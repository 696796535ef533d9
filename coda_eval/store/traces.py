"""`trace.jsonl`: in which order the tokens of a completion were committed, a line a completion (`run --trace`)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from pathlib import Path

from coda_eval.errors import StoreError
from coda_eval.records import Trace
from coda_eval.store.journal import Journal, read_journal

TRACES = "trace.jsonl"


def append_traces(directory: Path, traces: Iterable[Trace]) -> None:
    """Adds a line for each; where there are none, not even a file.

    Raises:
        StoreError: they cannot be written.
    """
    lines = [dataclasses.asdict(trace) for trace in traces]
    if not lines:
        return
    try:
        with contextlib.closing(Journal(directory / TRACES)) as journal:
            for line in lines:
                journal.append(line)
    except OSError as error:
        raise StoreError(f"{directory / TRACES} cannot be written ({error.strerror or error})") from None


def read_traces(directory: Path) -> list[Trace]:
    """In order of task and sample; of a completion that was made twice (an interrupted run), the last.

    Raises:
        StoreError: there are none, or a line is damaged.
    """
    found = {}
    for number, fields in read_journal(directory / TRACES):
        try:
            trace = Trace(
                task_id=fields["task_id"],
                sample=fields["sample"],
                pieces=tuple(fields["pieces"]),
                committed_at=tuple(fields["committed_at"]),
            )
        except (KeyError, TypeError) as error:
            raise StoreError(f"{directory / TRACES}: line {number} is no trace ({error}); remove it") from None
        found[trace.task_id, trace.sample] = trace
    if not found:
        raise StoreError(f"{directory} has no traces; run it with --trace")
    return [found[key] for key in sorted(found)]
