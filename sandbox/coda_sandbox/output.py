"""The tail of what a program prints, in memory that outlives its process.

Untrusted text: a program can write there what it likes, and it only ever becomes words beside a failure.
"""

import io
import mmap
import struct
import sys

LIMIT = 2000
"""Bytes that are kept: the last ones."""

_COUNT = struct.Struct("<Q")


class OutputTail:
    """A ring of bytes shared between the supervisor and the program that runs."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size + LIMIT)
        # Both are made here, and kept, once: to make or to destroy a stream takes longer than most programs do.
        self._replaced = (sys.stdout, sys.stderr)
        self._streams = tuple(
            io.TextIOWrapper(
                _TailStream(self, descriptor), encoding="utf-8", errors="backslashreplace", write_through=True
            )
            for descriptor in (1, 2)
        )

    def clear(self) -> None:
        """Forget what the program before has printed."""
        if self._memory[: _COUNT.size] != bytes(_COUNT.size):
            self._memory[:] = bytes(len(self._memory))

    def text(self) -> str:
        """What was printed last, oldest first; empty if nothing was."""
        (count,) = _COUNT.unpack_from(self._memory)
        ring = self._memory[_COUNT.size :]
        place = count % LIMIT
        tail = ring[:place] if count < LIMIT else ring[place:] + ring[:place]
        return tail.decode("utf-8", "replace")

    def write(self, data: bytes) -> None:
        """Append; what is more than `LIMIT` bytes old is forgotten."""
        (count,) = _COUNT.unpack_from(self._memory)
        kept = data[-LIMIT:]
        place = (count + len(data) - len(kept)) % LIMIT
        first = kept[: LIMIT - place]
        self._memory[_COUNT.size + place : _COUNT.size + place + len(first)] = first
        rest = kept[len(first) :]
        self._memory[_COUNT.size : _COUNT.size + len(rest)] = rest
        _COUNT.pack_into(self._memory, 0, count + len(data))

    def capture_streams(self) -> None:
        """Send `sys.stdout` and `sys.stderr` of this process here. Descriptors 1 and 2 stay what they are."""
        sys.stdout = sys.__stdout__ = self._streams[0]
        sys.stderr = sys.__stderr__ = self._streams[1]


class _TailStream(io.BufferedIOBase):
    """What lies below a text stream."""

    def __init__(self, tail: OutputTail, descriptor: int) -> None:
        self._tail = tail
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data, /) -> int:  # type: ignore[no-untyped-def, override]
        self._tail.write(bytes(data))
        return len(data)
