"""The host's end of the protocol of `sandbox/runner.py`: jobs as frames, verdicts back."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, Protocol

from coda_eval.config import ExecutionConfig
from coda_eval.errors import SandboxCrashed
from coda_eval.records import Program

_LENGTH = struct.Struct(">I")
_VERDICT_LIMIT = 1 << 20
_START_TIMEOUT_S = 60.0
_REPLY_GRACE_S = 20.0
"""Beyond a program's wall limit: the supervisor enforces that one, and cleans up, before it answers."""


class Stream(Protocol):
    """Bytes to and from a running sandbox."""

    def write(self, payload: bytes) -> None:
        """Raises OSError where the sandbox is gone."""
        ...

    def read(self, count: int, timeout_s: float) -> bytes:
        """Read up to `count` bytes, at least one; empty at the end. Raises TimeoutError, or OSError."""
        ...

    def interrupt(self) -> None:
        """End the sandbox, from any thread: one that reads or writes gets an end or an OSError."""
        ...

    def close(self) -> None:
        """End the sandbox and give back what it holds. May be called twice."""
        ...

    def diagnosis(self) -> str:
        """What the sandbox said when it died, in a line."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one program."""

    cpu_s: float
    wall_s: float
    memory_mb: int

    @classmethod
    def of(cls, config: ExecutionConfig) -> Limits:
        """CPU time is what counts; wall time stands far behind it, for programs that wait."""
        return cls(cpu_s=config.timeout_s, wall_s=max(10.0, 4 * config.timeout_s), memory_mb=config.memory_mb)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A verdict as the supervisor words it: `status` may also be `broken_tests` or `trouble`."""

    status: str
    detail: str
    cpu_s: float
    wall_s: float
    recycle: str
    """Why this sandbox must not be used again; empty if it may."""


class Channel:
    """One sandbox that has said it is ready."""

    def __init__(self, stream: Stream) -> None:
        """Wait until the sandbox is ready.

        Raises:
            SandboxCrashed: it never said so.
        """
        self._stream = stream
        self._buffer = bytearray()
        self.runner: dict[str, Any] = self._receive(_START_TIMEOUT_S)
        if self.runner.get("ready") != 1:
            raise SandboxCrashed("the sandbox speaks another version of the protocol; run `coda-eval sandbox build`")

    def run(self, program: Program, limits: Limits) -> Reply:
        """Run one program.

        Raises:
            SandboxCrashed: the sandbox died or did not answer in time; it must be closed.
        """
        header = {
            "entry_point": program.entry_point,
            "cpu_s": limits.cpu_s,
            "wall_s": limits.wall_s,
            "memory_mb": limits.memory_mb,
        }
        tests = {"setup": program.tests.setup, "code": program.tests.code}
        parts = (
            json.dumps(header).encode(),
            program.source.encode("utf-8", "surrogatepass"),
            json.dumps(tests).encode(),
        )
        try:
            self._stream.write(b"".join(_LENGTH.pack(len(part)) + part for part in parts))
        except OSError as error:
            raise SandboxCrashed(f"the sandbox died: {self._stream.diagnosis() or error}") from error
        answer = self._receive(limits.wall_s + _REPLY_GRACE_S)
        try:
            return Reply(**answer)
        except TypeError as error:
            raise SandboxCrashed(f"the sandbox sent something that is not a verdict: {error}") from error

    def interrupt(self) -> None:
        """End the sandbox from another thread; the one that uses it sees a crash and must still close it."""
        self._stream.interrupt()

    def close(self) -> None:
        """End the sandbox and give back what it holds."""
        self._stream.close()

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        (length,) = _LENGTH.unpack(self._read_exactly(_LENGTH.size, timeout_s))
        if length > _VERDICT_LIMIT:
            raise SandboxCrashed(f"the sandbox announced a verdict of {length} bytes")
        try:
            message = json.loads(self._read_exactly(length, timeout_s))
        except ValueError as error:
            raise SandboxCrashed(f"the sandbox sent something that is not JSON: {error}") from error
        if not isinstance(message, dict):
            raise SandboxCrashed("the sandbox sent something that is not a verdict")
        return message

    def _read_exactly(self, count: int, timeout_s: float) -> bytes:
        while len(self._buffer) < count:
            try:
                chunk = self._stream.read(1 << 16, timeout_s)
            except TimeoutError as error:
                raise SandboxCrashed(f"the sandbox did not answer within {timeout_s:g} s") from error
            except OSError as error:
                raise SandboxCrashed(f"the sandbox died: {error}") from error
            if not chunk:
                raise SandboxCrashed(f"the sandbox died: {self._stream.diagnosis() or 'no reason given'}")
            self._buffer += chunk
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
