"""Tests as code, in the form of HumanEval: they call the entry point and raise where it is wrong.

The entry point is a stub here: a call travels to the program and comes back as plain data (`wire`).
"""

import builtins
import json
from collections import OrderedDict, defaultdict, deque
from typing import Any

from coda_sandbox import wire
from coda_sandbox.remote import DETAIL_LIMIT, Ended, Outcome, Raised, Remote, walk

TESTS_NAME, SETUP_NAME = "<tests>", "<setup>"

# Raised by a call as they are, these would end a loop or a generator of the tests as if nothing had happened.
_CONTROL_FLOW = frozenset({"StopIteration", "StopAsyncIteration", "GeneratorExit", "SystemExit", "KeyboardInterrupt"})


class CheckSuite:
    """The tests of one suite, compiled once."""

    def __init__(self, *, entry_point: str, setup: str, code: str) -> None:
        """Nothing fails before the first program: `judge` says what is wrong with the tests.

        Args:
            entry_point: the name under which the tests call the program.
            setup: trusted source that runs first, e.g. the helpers of the prompt.
            code: the tests; they raise where the program is wrong.
        """
        self._entry_point = entry_point
        self._lines = code.splitlines()
        self._broken: Outcome | None = None
        try:
            self._setup = compile(setup, SETUP_NAME, "exec", dont_inherit=True)
            self._code = compile(code, TESTS_NAME, "exec", dont_inherit=True)
        except BaseException as error:
            self._broken = _broken(error)

    def judge(self, remote: Remote) -> Outcome:
        """Run the tests to their end, in a fresh namespace, and say how they ended."""
        if self._broken is not None:
            return self._broken
        namespace: dict[str, Any] = {}
        try:
            exec(self._setup, namespace)
        except BaseException as error:
            return _broken(error)
        stub = namespace[self._entry_point] = _Stub(remote)
        early_end = remote.wait_until_loaded()
        if early_end is not None:
            return early_end
        try:
            exec(self._code, namespace)
        except BaseException as error:
            return remote.outcome or self._failure(error, stub)
        if stub.calls == 0:
            return Outcome("broken_tests", f"the tests never call {self._entry_point}")
        return remote.outcome or Outcome("passed")

    def _failure(self, error: BaseException, stub: "_Stub") -> Outcome:
        if isinstance(error, MemoryError):
            return Outcome("out_of_memory", "MemoryError")
        if stub.raised is not None and error is stub.raised[0]:
            return Outcome("failed", stub.raised[1])
        numbers = [n for frame, n in walk(error) if frame.f_code.co_filename == TESTS_NAME]
        where = f": {self._lines[numbers[-1] - 1].strip()}" if numbers and numbers[-1] <= len(self._lines) else ""
        if isinstance(error, AssertionError):
            returned = f" (returned a {stub.opaque}, which is not plain data)" if stub.opaque else ""
            return Outcome("failed", f"wrong answer{returned}{where}")
        return Outcome("failed", f"{type(error).__name__}: {error}{where}")


class _Stub:
    """The program as the tests see it: a function."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.calls = 0
        self.raised: tuple[BaseException, str] | None = None
        """The last exception that a call raised, and a line about it."""
        self.opaque: str | None = None
        """The type of the last returned value that was not plain data."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the program's entry point.

        Raises:
            TypeError: an argument is not plain data.
        """
        if self._remote.outcome is not None:
            raise Ended
        self.calls += 1
        given = [*args, *kwargs.values()]
        try:
            encoded = [wire.encode(argument) for argument in given]
        except wire.Unencodable as error:
            raise TypeError(f"the tests pass a {error}, which cannot be sent to the program") from None
        request = {"args": encoded[: len(args)], "kwargs": dict(zip(kwargs, encoded[len(args) :], strict=True))}
        self._remote.send(json.dumps(request).encode())
        reply = self._remote.receive()
        try:
            for index, after in reply.get("changed", {}).items():
                _assign(given[int(index)], wire.decode(after))
            if "raised" not in reply:
                value = wire.decode(reply["value"])
        except (wire.Malformed, KeyError, IndexError, ValueError, AttributeError, RecursionError):
            self._remote.end_tampered()
        if "raised" in reply:
            raised = self._remote.parse_raised(reply["raised"])
            self.raised = _make_exception(raised), raised.describe()
            raise self.raised[0]
        if isinstance(value, wire.Opaque):
            self.opaque = value.type_name
        return value


def _broken(error: BaseException) -> Outcome:
    return Outcome("broken_tests", f"{type(error).__name__}: {error}"[:DETAIL_LIMIT])


def _make_exception(raised: Raised) -> BaseException:
    """An exception of the built-in type, or of a new subclass that bears the program's name for it."""
    found = getattr(builtins, raised.names[-1], None)
    base: type[BaseException] = RuntimeError
    if isinstance(found, type) and issubclass(found, BaseException) and raised.names[-1] not in _CONTROL_FLOW:
        base = found
    try:
        kind: type[BaseException] = base if base.__name__ == raised.names[0] else type(raised.names[0], (base,), {})
        return kind(*raised.arguments)
    except Exception:
        # A few built-in types insist on arguments of their own, e.g. UnicodeDecodeError.
        return RuntimeError(raised.message)


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
    elif wire.is_array(target) and target.shape == value.shape:
        target[...] = value
