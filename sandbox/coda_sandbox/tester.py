"""The trusted side: runs the tests of one problem against a program that lives in another process.

The entry point is a stub here: a call travels to the program and comes back as plain data (`wire`). Whatever goes wrong
on that channel ends the test for good, even where the test code catches the exception.
"""

import builtins
import json
import traceback
from collections import OrderedDict, defaultdict, deque
from typing import Any, NamedTuple, NoReturn

from coda_sandbox import frames, wire

TESTS_NAME, SETUP_NAME = "<tests>", "<setup>"
REPLY_LIMIT = 16 << 20
"""Bytes that one reply of a program may have."""

DETAIL_LIMIT = 300

# Raised by a call as they are, these would end a loop or a generator of the tests as if nothing had happened.
_CONTROL_FLOW = frozenset({"StopIteration", "StopAsyncIteration", "GeneratorExit", "SystemExit", "KeyboardInterrupt"})


class Outcome(NamedTuple):
    """What the tester saw; the supervisor makes the verdict of it."""

    status: str
    detail: str = ""
    channel_closed: bool = False
    """The program closed its end: how its process ended says more."""


class _Ended(BaseException):
    """Unwinds the tests when there is nothing more to ask the program."""


class RemoteProgram:
    """The program as the tests see it: a function, and why it no longer answers."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self.calls = 0
        self.outcome: Outcome | None = None
        """Set once the channel has failed; nothing that the tests do afterwards changes it."""
        self.raised: tuple[BaseException, str] | None = None
        """The last exception that a call raised, and a line about it."""
        self.opaque: str | None = None
        """The type of the last returned value that was not plain data."""

    def wait_until_loaded(self) -> Outcome | None:
        """Wait until the program's own top level has run; the outcome, where that was already the end."""
        try:
            reply = self._receive()
            if "raised" in reply:
                exception, line = self._exception(reply["raised"])
                memory = isinstance(exception, MemoryError)
                self._end(Outcome("out_of_memory" if memory else "failed", line))
            if "syntax_error" in reply:
                self._end(Outcome("syntax_error", str(reply["syntax_error"])))
            if "undefined" in reply:
                self._end(Outcome("failed", "the program does not define the entry point"))
            if reply.get("loaded") is not True:
                self._end(Outcome("failed", "tampered: not a reply"))
        except _Ended:
            pass
        return self.outcome

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the program's entry point.

        Raises:
            TypeError: an argument is not plain data.
        """
        if self.outcome is not None:
            raise _Ended
        self.calls += 1
        given = [*args, *kwargs.values()]
        try:
            encoded = [wire.encode(argument) for argument in given]
        except wire.Unencodable as error:
            raise TypeError(f"the tests pass a {error}, which cannot be sent to the program") from None
        request = {"args": encoded[: len(args)], "kwargs": dict(zip(kwargs, encoded[len(args) :], strict=True))}
        try:
            frames.write_frame(self._channel, json.dumps(request).encode())
        except frames.ChannelClosed:
            self._end(Outcome("failed", "exited early", channel_closed=True))
        reply = self._receive()
        try:
            for index, after in reply.get("changed", {}).items():
                _assign(given[int(index)], wire.decode(after))
            if "raised" not in reply:
                value = wire.decode(reply["value"])
        except (wire.Malformed, KeyError, IndexError, ValueError, AttributeError, RecursionError):
            self._end(Outcome("failed", "tampered: not a reply"))
        if "raised" in reply:
            self.raised = self._exception(reply["raised"])
            raise self.raised[0]
        if isinstance(value, wire.Opaque):
            self.opaque = value.type_name
        return value

    def _receive(self) -> dict[str, Any]:
        try:
            reply = json.loads(frames.read_frame(self._channel, REPLY_LIMIT))
        except frames.ChannelClosed:
            self._end(Outcome("failed", "exited early", channel_closed=True))
        except frames.FrameTooLarge as error:
            self._end(Outcome("output_limit", f"the reply is too large: {error}"))
        except (ValueError, RecursionError):
            self._end(Outcome("failed", "tampered: not a reply"))
        if not isinstance(reply, dict):
            self._end(Outcome("failed", "tampered: not a reply"))
        return reply

    def _exception(self, raised: Any) -> tuple[BaseException, str]:
        try:
            names = [str(name)[:80] for name in raised["names"]] or ["Exception"]
            message = str(raised["message"])
            sent = raised["args"]
            arguments = [message] if sent is None else [wire.decode(argument) for argument in sent]
            line = raised["line"]
        except (wire.Malformed, KeyError, IndexError, TypeError, RecursionError):
            self._end(Outcome("failed", "tampered: not a reply"))
        where = f" (line {line} of the program)" if isinstance(line, int) else ""
        described = f"{names[0]}: {message}".removesuffix(": ") + where
        return _make_exception(names, message, arguments), described

    def _end(self, outcome: Outcome) -> NoReturn:
        self.outcome = outcome
        raise _Ended


def run_tests(channel: int, *, entry_point: str, setup: str, code: str) -> Outcome:
    """Run the tests to their end and say how they ended.

    Args:
        channel: the socket to the program's process.
        entry_point: the name under which the tests call the program.
        setup: trusted source that runs first, e.g. the helpers of the prompt.
        code: the tests; they raise where the program is wrong.
    """
    program = RemoteProgram(channel)
    namespace: dict[str, Any] = {}
    try:
        exec(compile(setup, SETUP_NAME, "exec", dont_inherit=True), namespace)
        compiled = compile(code, TESTS_NAME, "exec", dont_inherit=True)
    except BaseException as error:
        return Outcome("broken_tests", f"{type(error).__name__}: {error}"[:DETAIL_LIMIT])
    namespace[entry_point] = program
    early_end = program.wait_until_loaded()
    if early_end is not None:
        return early_end
    try:
        exec(compiled, namespace)
    except BaseException as error:
        return program.outcome or _failure(error, program, code)
    if program.calls == 0:
        return Outcome("broken_tests", f"the tests never call {entry_point}")
    return program.outcome or Outcome("passed")


def _failure(error: BaseException, program: RemoteProgram, code: str) -> Outcome:
    if isinstance(error, MemoryError):
        return Outcome("out_of_memory", "MemoryError")
    if program.raised is not None and error is program.raised[0]:
        return Outcome("failed", program.raised[1])
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == TESTS_NAME]
    source = code.splitlines()
    where = f": {source[lines[-1] - 1].strip()}" if lines and lines[-1] <= len(source) else ""
    if isinstance(error, AssertionError):
        returned = f" (returned a {program.opaque}, which is not plain data)" if program.opaque else ""
        return Outcome("failed", f"wrong answer{returned}{where}")
    return Outcome("failed", f"{type(error).__name__}: {error}{where}")


def _make_exception(names: list[str], message: str, arguments: list[Any]) -> BaseException:
    """An exception of the built-in type, or of a new subclass that bears the program's name for it."""
    found = getattr(builtins, names[-1], None)
    base: type[BaseException] = RuntimeError
    if isinstance(found, type) and issubclass(found, BaseException) and names[-1] not in _CONTROL_FLOW:
        base = found
    try:
        kind: type[BaseException] = base if base.__name__ == names[0] else type(names[0], (base,), {})
        return kind(*arguments)
    except Exception:
        # A few built-in types insist on arguments of their own, e.g. UnicodeDecodeError.
        return RuntimeError(message)


def _assign(target: Any, value: Any) -> None:
    """Make the tests' own argument equal to what the program left of it."""
    if type(target) is not type(value):
        raise wire.Malformed("a changed argument of another type")
    if isinstance(target, list | bytearray):
        target[:] = value
    elif isinstance(target, dict | set | OrderedDict | defaultdict):
        target.clear()
        target.update(value)
    elif isinstance(target, deque):
        target.clear()
        target.extend(value)
    elif isinstance(target, tuple) and len(target) == len(value):
        for inner, changed in zip(target, value, strict=True):
            if isinstance(inner, list | dict | set | bytearray | deque | tuple):
                _assign(inner, changed)
    elif wire.numpy is not None and isinstance(target, wire.numpy.ndarray) and target.shape == value.shape:
        target[...] = value
