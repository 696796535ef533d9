"""The program as the trusted side sees it: a channel on which plain data come back, and why it has ended.

Whatever goes wrong on that channel ends the test for good, even where the test code catches the exception.
"""

import json
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from coda_sandbox import frames, wire

REPLY_LIMIT = 16 << 20
"""Bytes that one reply of a program may have."""

DETAIL_LIMIT = 300


class Outcome(NamedTuple):
    """What the tester saw; the supervisor makes the verdict of it."""

    status: str
    detail: str = ""
    channel_closed: bool = False
    """The program closed its end: how its process ended says more."""


def walk(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """The frames of a traceback with their lines, outermost first."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


class Ended(BaseException):
    """Unwinds the tests when there is nothing more to ask the program; `Remote.outcome` says why."""


class Raised(NamedTuple):
    """An exception of the program, as data."""

    names: list[str]
    """Of its type and the types above, down to the first built-in one."""
    message: str
    arguments: list[Any]
    line: int | None

    def describe(self) -> str:
        where = f" (line {self.line} of the program)" if self.line is not None else ""
        return f"{self.names[0]}: {self.message}".removesuffix(": ") + where


class Remote:
    """The channel to one program."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self.outcome: Outcome | None = None
        """Set once the channel has failed; nothing that the tests do afterwards changes it."""

    def wait_until_loaded(self) -> Outcome | None:
        """Wait until the program's own top level has run; the outcome, where that was already the end."""
        try:
            reply = self.receive()
            if "raised" in reply:
                raised = self.parse_raised(reply["raised"])
                memory = raised.names[-1] == "MemoryError"
                self.end(Outcome("out_of_memory" if memory else "failed", raised.describe()))
            if "syntax_error" in reply:
                self.end(Outcome("syntax_error", str(reply["syntax_error"])))
            if "undefined" in reply:
                self.end(Outcome("failed", "the program does not define the entry point"))
            if reply.get("loaded") is not True:
                self.end_tampered()
        except Ended:
            pass
        return self.outcome

    def send(self, payload: bytes) -> None:
        """Send one message.

        Raises:
            Ended: the program is gone, now or before.
        """
        if self.outcome is not None:
            raise Ended
        try:
            frames.write_frame(self._channel, payload)
        except frames.ChannelClosed:
            self.end(Outcome("failed", "exited early", channel_closed=True))

    def receive_bytes(self) -> bytes:
        """The next message as it came.

        Raises:
            Ended: there is none.
        """
        try:
            return frames.read_frame(self._channel, REPLY_LIMIT)
        except frames.ChannelClosed:
            self.end(Outcome("failed", "exited early", channel_closed=True))
        except frames.FrameTooLarge as error:
            self.end(Outcome("output_limit", f"the reply is too large: {error}"))

    def receive(self) -> dict[str, Any]:
        """The next message.

        Raises:
            Ended: there is none, or it is not one.
        """
        return self.parse(self.receive_bytes())

    def parse(self, message: bytes) -> dict[str, Any]:
        """What a message says.

        Raises:
            Ended: it is not one.
        """
        try:
            reply = json.loads(message)
        except (ValueError, RecursionError):
            self.end_tampered()
        if not isinstance(reply, dict):
            self.end_tampered()
        return reply

    def parse_raised(self, raised: Any) -> Raised:
        """The exception that a message reports."""
        try:
            names = [str(name)[:80] for name in raised["names"]] or ["Exception"]
            message = str(raised["message"])
            sent = raised["args"]
            arguments = [message] if sent is None else [wire.decode(argument) for argument in sent]
            line = raised["line"] if isinstance(raised["line"], int) else None
        except (wire.Malformed, KeyError, IndexError, TypeError, RecursionError):
            self.end_tampered()
        return Raised(names, message, arguments, line)

    def end(self, outcome: Outcome) -> NoReturn:
        """Nothing more is asked of this program."""
        self.outcome = outcome
        raise Ended

    def end_tampered(self) -> NoReturn:
        """What came is not what `program.py` sends."""
        self.end(Outcome("failed", "tampered: not a reply"))
