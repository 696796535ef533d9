"""The directory of a sweep: which points it has, which are done, which failed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coda_eval.errors import StoreError
from coda_eval.jsonl import encode_row
from coda_eval.store.directory import METRICS
from coda_eval.store.fingerprint import differences
from coda_eval.store.sweep_layout import FAILURES, POINTS, SWEEP
from coda_eval.store.writer import temporary, write_document
from coda_eval.sweep.plan import PlannedPoint


class SweepDirectory:
    """A sweep on disk. What it was asked for is kept, and added to when it is asked for more."""

    def __init__(self, path: Path, question: Mapping[str, Any], points: Sequence[PlannedPoint]) -> None:
        """Starts a sweep, or goes on with the one that is there.

        Args:
            path: made, with its parents, where it is missing.
            question: what all points must have in common to stand in one table, as plain JSON data.
            points: those asked for now; those that were asked for before stay.

        Raises:
            StoreError: the directory cannot be written, holds something else, or a sweep on another question.
        """
        self.path = path
        file = path / SWEEP
        known: dict[str, Any] = {}
        try:
            if file.exists():
                document = json.loads(file.read_bytes())
                if found := differences(document["question"], question):
                    first = found[0]
                    raise StoreError(
                        f"{path} holds another sweep: {first.field} is {first.there} there and {first.here} here; "
                        "go on with its settings, or choose another directory with --out"
                    )
                known = document["points"]
            elif path.exists() and {entry.name for entry in path.iterdir()} - {temporary(file).name}:
                raise StoreError(f"{path} is not empty and no sweep; choose an empty or a new directory with --out")
            path.mkdir(parents=True, exist_ok=True)
            for point in points:
                known.setdefault(point.digest, {"name": point.name, "repeat": point.repeat, "swept": dict(point.swept)})
            write_document(file, {"question": dict(question), "points": known})
            (path / POINTS).mkdir(exist_ok=True)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{path}: cannot be used as a sweep's directory ({error}); choose another --out"
            ) from error
        self._names = {digest: str(each["name"]) for digest, each in known.items()}

    def run_directory(self, point: PlannedPoint) -> Path:
        """Where a point's run is, also if an earlier sweep gave it another name."""
        return self.path / POINTS / self._names[point.digest]

    def is_done(self, point: PlannedPoint) -> bool:
        """Whether nothing is left to do for a point."""
        return (self.run_directory(point) / METRICS).exists()

    def record_failure(self, point: PlannedPoint, error: BaseException, *, trace: str) -> None:
        """Notes why a point could not be run; `trace` says where, if the error does not explain itself.

        Raises:
            StoreError: it cannot be written.
        """
        row = {
            "point": self._names[point.digest],
            "error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:2000],
            "trace": trace,
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        try:
            with (self.path / FAILURES).open("ab") as stream:
                stream.write(encode_row(row))
        except OSError as failure:
            raise StoreError(f"{self.path / FAILURES} cannot be written ({failure.strerror or failure})") from failure
