"""The host's end of the protocol of `sandbox/runner.py`: jobs as frames, verdicts back."""

from __future__ import annotations

import dataclasses
import json
import struct
from dataclasses import dataclass
from typing import Any, Protocol

from coda_eval.errors import SandboxCrashed
from coda_eval.execution.limits import Limits
from coda_eval.execution.payload import Payload

_LENGTH = struct.Struct(">I")
_PROTOCOL = 2
_REPLY_LIMIT = 1 << 28
_ANSWERS = b"A"
"""Begins the answers of a reference program; a verdict begins with a brace."""

TESTS_MISSING = "tests_missing"
"""The status that asks for the tests once more."""

_START_TIMEOUT_S = 60.0
_STARVED_FACTOR, _REPLY_GRACE_S = 20, 60.0
"""How long a supervisor may be silent: it enforces the limits itself, but those do not count the time in which others
have the CPUs."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A verdict as the supervisor words it: `status` may also be `broken_tests`, `tests_missing` or `trouble`."""

    status: str
    detail: str
    output: str
    """The tail of what the program printed; empty for one that passed."""
    cpu_s: float
    wall_s: float
    recycle: str
    """Why this sandbox must not be used again; empty if it may."""
    answers: dict[str, Any] | None = None
    """What a reference program returned."""


class Channel:
    """One sandbox that has said it is ready."""

    def __init__(self, stream: Stream) -> None:
        """Wait until the sandbox is ready.

        Raises:
            SandboxCrashed: it never said so.
        """
        self._stream = stream
        self._buffer = bytearray()
        self._tests: set[str] = set()
        """The tests that the sandbox has."""
        self.served = 0
        """How many programs it has answered."""
        self.runner: dict[str, Any] = _parse(self._receive_frame(_START_TIMEOUT_S))
        if self.runner.get("ready") != _PROTOCOL:
            raise SandboxCrashed("the sandbox speaks another version of the protocol; run `coda-eval sandbox build`")

    def send(self, source: str, entry_point: str, payload: Payload, limits: Limits) -> None:
        """Hand over one program. Several may be under way: their replies come in the same order.

        Raises:
            SandboxCrashed: the sandbox died; it must be closed.
        """
        follow = payload.name not in self._tests
        self._tests.add(payload.name)
        header = {
            "entry_point": entry_point,
            "tests": payload.name,
            "tests_follow": follow,
            "numpy": payload.numpy or "numpy" in source,
            **dataclasses.asdict(limits),
        }
        parts = [json.dumps(header).encode(), source.encode("utf-8", "surrogatepass")]
        if follow:
            parts.insert(1, payload.content)
        try:
            self._stream.write(b"".join(_LENGTH.pack(len(part)) + part for part in parts))
        except OSError as error:
            raise SandboxCrashed(f"the sandbox died: {self._stream.diagnosis() or error}") from error

    def receive(self, payload: Payload, limits: Limits) -> Reply:
        """The reply to the program that was handed over first.

        Raises:
            SandboxCrashed: the sandbox died or did not answer in time; it must be closed.
        """
        timeout_s = _STARVED_FACTOR * (limits.cpu_s + limits.waiting_s) + _REPLY_GRACE_S
        message = self._receive_frame(timeout_s)
        answers = None
        if message[:1] == _ANSWERS:
            answers = _parse(message[1:])
            message = self._receive_frame(timeout_s)
        try:
            reply = Reply(**_parse(message), answers=answers)
        except TypeError as error:
            raise SandboxCrashed(f"the sandbox sent something that is not a verdict: {error}") from error
        if reply.status == TESTS_MISSING:
            self._tests.discard(payload.name)
        self.served += 1
        return reply

    def interrupt(self) -> None:
        """End the sandbox from another thread; the one that uses it sees a crash and must still close it."""
        self._stream.interrupt()

    def close(self) -> None:
        """End the sandbox and give back what it holds."""
        self._stream.close()

    def _receive_frame(self, timeout_s: float) -> bytes:
        (length,) = _LENGTH.unpack(self._read_exactly(_LENGTH.size, timeout_s))
        if length > _REPLY_LIMIT:
            raise SandboxCrashed(f"the sandbox announced a reply of {length} bytes")
        return self._read_exactly(length, timeout_s)

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


def _parse(message: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(message)
    except ValueError as error:
        raise SandboxCrashed(f"the sandbox sent something that is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise SandboxCrashed("the sandbox sent something that is not a reply")
    return parsed
