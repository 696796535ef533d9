"""`timings.jsonl`: what took how long, a line for each time that a run was started or gone on with.

A start that was killed leaves no line: its batches are timed in `samples.jsonl`, the rest of it is not known.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from coda_eval.errors import StoreError
from coda_eval.records import Timings
from coda_eval.store.journal import Journal, read_journal

TIMINGS = "timings.jsonl"
MEASURED_ONCE = ("full_forward_s", "window_forward_s")
"""These are no sums: the last measurement counts."""


def append_timings(directory: Path, timings: Timings) -> None:
    """Adds a line.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        with contextlib.closing(Journal(directory / TIMINGS)) as journal:
            journal.append(dataclasses.asdict(timings))
    except OSError as error:
        raise StoreError(f"{directory / TIMINGS} cannot be written ({error.strerror or error})") from None


def read_timings(directory: Path) -> Timings | None:
    """All lines put together; None where there is none.

    Raises:
        StoreError: a line is damaged.
    """
    rows = [fields for _, fields in read_journal(directory / TIMINGS)]
    if not rows:
        return None
    totals = [field.name for field in dataclasses.fields(Timings) if field.name not in MEASURED_ONCE]
    try:
        return Timings(
            **{name: sum(row[name] for row in rows) for name in totals},
            **{name: rows[-1][name] for name in MEASURED_ONCE},
        )
    except (KeyError, TypeError) as error:
        raise StoreError(f"{directory / TIMINGS}: is damaged ({error}); remove it to go on without it") from None
