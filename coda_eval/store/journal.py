"""An append-only file of JSON lines that outlives `kill -9` and power loss, but for the lines of the last moments.

A line reaches the kernel when `append` returns, so a killed process loses none. The disk has it after `sync`, which
`append` does by itself every `LINES_BETWEEN_SYNCS` lines: losing power loses at most those, and may leave a torn line
at the end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from coda_eval.errors import StoreError
from coda_eval.jsonl import LineError, Row, decode_rows, encode_row

LINES_BETWEEN_SYNCS = 64  # at 600 verdicts a second that is ten syncs a second


class Journal:
    """The writing end of one file. Threads may share it, processes may not."""

    def __init__(self, path: Path) -> None:
        """Opens the file, makes it where it is missing, and truncates a torn last line.

        Raises:
            OSError: the file cannot be made or written.
        """
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._length = _end_of_last_whole_line(self._descriptor)
        os.ftruncate(self._descriptor, self._length)
        self._unsynced = 0
        self._lock = threading.Lock()

    def append(self, row: Mapping[str, object]) -> None:
        """Writes one line.

        Raises:
            StoreError: the disk is full or the file cannot be written; no part of the line is left behind.
        """
        line = encode_row(row)
        with self._lock:
            try:
                written = 0
                while written < len(line):
                    written += os.write(self._descriptor, line[written:])
            except OSError as error:
                os.ftruncate(self._descriptor, self._length)
                raise StoreError(
                    f"{self.path}: cannot be written ({error.strerror}); what was done is kept: "
                    "mend that and run the same command again to go on"
                ) from error
            self._length += len(line)
            self._unsynced += 1
            if self._unsynced >= LINES_BETWEEN_SYNCS:
                self._sync()

    def sync(self) -> None:
        """Returns when the disk has every line.

        Raises:
            StoreError: the disk reports that it could not write them.
        """
        with self._lock:
            self._sync()

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise StoreError(f"{self.path}: the disk did not take the last lines ({error.strerror})") from error
        self._unsynced = 0

    def close(self) -> None:
        """Syncs and closes."""
        try:
            self.sync()
        finally:
            os.close(self._descriptor)


def read_journal(path: Path) -> Iterator[Row]:
    """The rows of a file that may be growing: a torn last line is passed over, a missing file has no rows.

    Raises:
        StoreError: a line before the last cannot be read, or the file cannot.
    """
    try:
        with path.open("rb") as stream:
            yield from decode_rows(line for line in stream if line.endswith(b"\n"))
    except FileNotFoundError:
        return
    except (LineError, OSError) as error:
        raise StoreError(f"{path}: {error}; remove that line, or start again in another directory") from None


def _end_of_last_whole_line(descriptor: int) -> int:
    """The length that the file has without its torn last line; its size where no line is torn."""
    block = 1 << 16
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - block)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
