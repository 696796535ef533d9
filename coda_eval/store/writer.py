"""The one writer of a run directory: starting, resuming, appending, completing."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from types import TracebackType
from typing import Self

from coda_eval.errors import StoreError
from coda_eval.jsonl import encode_row
from coda_eval.records import Metrics, Sample, Verdict
from coda_eval.store.directory import MANIFEST, METRICS, PROBLEMS, SAMPLES, VERDICTS, RunDirectory, read_manifest
from coda_eval.store.fingerprint import differences, fingerprint
from coda_eval.store.journal import Journal

DIFFERENCES_SHOWN = 4
VALUE_CHARACTERS = 60
NO_LOCKS_HERE = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


class RunWriter:
    """The one writer of a run directory; a context manager. Samples and verdicts may be appended from two threads."""

    def __init__(self, path: Path, *, identity: Mapping[str, object], facts: Mapping[str, object]) -> None:
        """Starts a run, or goes on with the one that is there.

        A torn last line is dropped, and so are verdicts whose sample was lost with it: both are made again.

        Args:
            path: made, with its parents, where it is missing.
            identity: what decides the samples and verdicts, as plain JSON data, never times or machines. Another
                identity is another run.
            facts: what else the manifest shall say; that of the first start is kept.

        Raises:
            StoreError: the directory cannot be written, holds something else or a run of another identity, or another
                process writes to it.
        """
        self.path = path
        _make_directory(path)
        with contextlib.ExitStack() as stack, _explaining(path):
            stack.callback(os.close, _lock(path))
            if (path / MANIFEST).exists():
                _refuse_other_identity(path, identity)
            elif (path / SAMPLES).stat().st_size:
                raise StoreError(f"{path} holds samples but no {MANIFEST}; choose another directory with --out")
            else:
                manifest = {**facts, "identity": identity, "fingerprint": fingerprint(identity)}
                _write_atomically(path / MANIFEST, [_document(manifest)])
            self.run = RunDirectory(path)
            self._samples = Journal(path / SAMPLES)
            stack.callback(self._samples.close)
            self._sample_keys = {(sample.task_id, sample.sample) for sample in self.run.samples()}
            _drop_orphans(self.run, self._sample_keys)
            self._verdicts = Journal(path / VERDICTS)
            stack.callback(self._verdicts.close)
            self._verdict_keys = {(verdict.task_id, verdict.sample, verdict.suite) for verdict in self.run.verdicts()}
            self._complete = (path / METRICS).exists()
            self._closing = stack.pop_all()

    def has_sample(self, task_id: str, sample: int) -> bool:
        """Whether this sample is there already."""
        return (task_id, sample) in self._sample_keys

    def has_verdict(self, task_id: str, sample: int, suite: str) -> bool:
        """Whether this verdict is there already."""
        return (task_id, sample, suite) in self._verdict_keys

    def append_sample(self, sample: Sample) -> None:
        """Adds a sample that is not there yet.

        Raises:
            StoreError: it cannot be written; no part of it is left behind.
        """
        key = (sys.intern(sample.task_id), sample.sample)
        assert key not in self._sample_keys, f"sample {key} was generated twice"
        self._mark_incomplete()
        self._samples.append(dataclasses.asdict(sample))
        self._sample_keys.add(key)

    def append_verdict(self, verdict: Verdict) -> None:
        """Adds a verdict that is not there yet, on a sample that is.

        Raises:
            StoreError: it cannot be written; no part of it is left behind.
        """
        key = (sys.intern(verdict.task_id), verdict.sample, sys.intern(verdict.suite))
        assert key[:2] in self._sample_keys, f"a verdict on {key[:2]}, which is no sample of this run"
        assert key not in self._verdict_keys, f"program {key} was judged twice"
        self._mark_incomplete()
        self._verdicts.append(dataclasses.asdict(verdict))
        self._verdict_keys.add(key)

    def write_metrics(self, metrics: Metrics) -> None:
        """Completes the run, once the disk has every sample and verdict.

        Raises:
            StoreError: something cannot be written.
        """
        self._samples.sync()
        self._verdicts.sync()
        with _explaining(self.path):
            _write_atomically(self.path / METRICS, [_document(dataclasses.asdict(metrics))])

    def write_problems(self, table: bytes) -> None:
        """Writes the table of problems, which goes with the metrics.

        Raises:
            StoreError: it cannot be written.
        """
        with _explaining(self.path):
            _write_atomically(self.path / PROBLEMS, [table])

    def close(self) -> None:
        """Waits until the disk has every line, and lets another process write."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _mark_incomplete(self) -> None:
        """A run that grows is not complete."""
        if self._complete:
            (self.path / METRICS).unlink()
            self._complete = False


def _drop_orphans(run: RunDirectory, sample_keys: Set[tuple[str, int]]) -> None:
    """Removes verdicts on samples that are not there: losing power may take a sample and leave its verdict."""

    def has_sample(verdict: Verdict) -> bool:
        return (verdict.task_id, verdict.sample) in sample_keys

    if not all(map(has_sample, run.verdicts())):
        kept = filter(has_sample, run.verdicts())
        _write_atomically(run.path / VERDICTS, (encode_row(dataclasses.asdict(verdict)) for verdict in kept))


def _make_directory(path: Path) -> None:
    """Makes the directory, or sees that it is empty or a run's."""
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path} is a file, not a directory; choose another place with --out")
    with _explaining(path):
        path.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in path.iterdir()}
    if MANIFEST not in names and (foreign := sorted(names - {SAMPLES, temporary(path / MANIFEST).name})):
        raise StoreError(
            f"{path} is not empty (it has {foreign[0]}) and no run ({MANIFEST} is missing); "
            "choose an empty or a new directory with --out"
        )


def _lock(path: Path) -> int:
    """The descriptor that holds the lock until it is closed."""
    # On a file that is open for writing, because a network file system may lock nothing else.
    descriptor = os.open(path / SAMPLES, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(
            f"another process is writing to {path}; wait until it is done, or choose another directory with --out"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS_HERE:
            os.close(descriptor)
            raise
    return descriptor


def _refuse_other_identity(path: Path, identity: Mapping[str, object]) -> None:
    there = read_manifest(path)["identity"]
    if fingerprint(there) == fingerprint(identity):
        return
    found = differences(there, identity)
    shown = ", ".join(
        f"{field} is {_short(value_there)} there and {_short(value_here)} here"
        for field, value_there, value_here in found[:DIFFERENCES_SHOWN]
    )
    more = f", and {len(found) - DIFFERENCES_SHOWN} more" if len(found) > DIFFERENCES_SHOWN else ""
    raise StoreError(
        f"{path} holds another run: {shown}{more}; go on with its settings, or choose another directory with --out"
    )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}..."


def write_document(path: Path, content: Mapping[str, object]) -> None:
    """Writes a JSON file that is the old one or the whole new one, whatever happens.

    Raises:
        OSError: it cannot be written.
    """
    _write_atomically(path, [_document(content)])


def _document(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"


def temporary(path: Path) -> Path:
    """Where a file is written before it takes its name: what a start that was killed may leave."""
    return path.with_name(f"{path.name}.tmp")


def _write_atomically(path: Path, chunks: Iterable[bytes]) -> None:
    """Leaves the old file or the whole new one, also when power is lost."""
    draft = temporary(path)
    with draft.open("wb") as stream:
        stream.writelines(chunks)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Turns what the operating system says into one line."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror or error}); mend that, or choose another directory with --out"
        ) from None
