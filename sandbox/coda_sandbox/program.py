"""The untrusted side: runs the source of one program and answers the tester's calls of its entry point.

Nothing in this process decides a verdict. The program can change whatever it finds here; all it gains is to send other
values, which the tester compares with what it expects.

    from the supervisor  its source
    from the tester  {"args": [...], "kwargs": {...}}        one call
                     a batch of calls                        see `input_output.BATCH`
    to the tester    {"loaded": true}                        the source ran, the entry point is there
                     {"syntax_error": "..."}                 the source does not compile
                     {"undefined": true}                     the source ran and did not define the entry point
                     {"value": ..., "changed": {...}}        a call returned; mutable arguments that it changed
                     {"raised": {...}}                       a call, or the source itself, raised
                     {"outputs": [...], "raised": {...}}     a batch, up to the first call that raised; as texts of
                                                             JSON, with "slowest_s", if this is the reference
"""

import builtins
import json
import marshal
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from coda_sandbox import digest, frames, remote, wire
from coda_sandbox.input_output import BATCH

SOURCE_NAME = "<program>"
OUT_OF_MEMORY_EXIT = 97
"""Exit status of a program's process that had no memory left even to answer."""

_MESSAGE_LIMIT = 2000
_TRACEBACK_LINES = 10
# Not by `__module__`: that of a program's own classes is `builtins` too, as its namespace has no `__name__`.
_BUILT_IN = frozenset(value for value in vars(builtins).values() if isinstance(value, type))
_NO_LIMIT = 1 << 31
_TIMER_GRAIN_S = 0.001
"""Inputs that take less, one after the other, share a timer: to set it takes longer than most of them do."""


def serve(channel: int, entry_point: str) -> None:
    """Run the source that comes first, then answer calls until the tester closes `channel`. Never raises."""
    try:
        source = frames.read_frame(channel, _NO_LIMIT)
        namespace: dict[str, Any] = {}
        if not _load(channel, source, entry_point, namespace):
            _wait_until_closed(channel)
            return
        while True:
            request = frames.read_frame(channel, _NO_LIMIT)
            function = namespace[entry_point]
            _send(channel, _call(function, json.loads(request)) if request[:1] == b"{" else _batch(function, request))
    except frames.ChannelClosed:
        return
    except MemoryError:
        os._exit(OUT_OF_MEMORY_EXIT)


def _load(channel: int, source: bytes, entry_point: str, namespace: dict[str, Any]) -> bool:
    try:
        # A lone surrogate passes here and makes compile() raise a UnicodeEncodeError, which is a ValueError.
        code = compile(source.decode("utf-8", "surrogatepass"), SOURCE_NAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError) as error:
        # RecursionError and MemoryError are how the compiler says that a source is nested too deeply.
        _send(channel, {"syntax_error": f"{type(error).__name__}: {_message(error)}".removesuffix(": ")})
        return False
    try:
        exec(code, namespace)
    except BaseException as error:
        _send(channel, _raised(error))
        return False
    _send(channel, {"loaded": True} if entry_point in namespace else {"undefined": True})
    return entry_point in namespace


def _wait_until_closed(channel: int) -> None:
    """Stay alive: a program's process that ends before the verdict counts as one that ended early."""
    while True:
        frames.read_frame(channel, _NO_LIMIT)


def _call(function: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
    sent = [*request["args"], *request["kwargs"].values()]
    arguments = [wire.decode(item) for item in sent]
    count = len(request["args"])
    positional, named = arguments[:count], dict(zip(request["kwargs"], arguments[count:], strict=True))
    try:
        value = function(*positional, **named)
    except BaseException as error:
        reply = _raised(error)
    else:
        reply = {"value": wire.encode(value, opaque=True)}
    changed = {}
    for index, (before, argument) in enumerate(zip(sent, arguments, strict=True)):
        # Mutable plain data arrive as a list or with a tag; a tuple may hold a list, so it is looked at too.
        if isinstance(before, list | dict):
            after = wire.encode(argument, opaque=True)
            if after != before:
                changed[index] = after
    if changed:
        reply["changed"] = changed
    return reply


def _batch(function: Callable[..., Any], request: bytes) -> dict[str, Any]:
    input_cpu_s, unroll, hashed, reference = BATCH.unpack_from(request)
    outputs: list[Any] = []
    reply: dict[str, Any] = {"outputs": outputs}
    least_left_s = input_cpu_s
    set_at = -math.inf
    try:
        for arguments in marshal.loads(request[BATCH.size :]):
            now = time.monotonic()
            if reference or now - set_at > _TIMER_GRAIN_S:
                # The signal ends this process, whatever it computes just then. A program that turns the timer off
                # gains no more than the time of the whole suite.
                set_at = now
                left_s, _ = signal.setitimer(signal.ITIMER_PROF, input_cpu_s)
                if reference and left_s:
                    least_left_s = min(least_left_s, left_s)
            value = function(*arguments)
            if unroll and isinstance(value, Iterator):
                value = list(value)
            if hashed or (reference and digest.is_large(value)):
                output = {"h": digest.digest(value)}
            else:
                output = wire.encode(value, opaque=True)
            # What becomes an expected output is kept as text: there is no need to read it twice.
            outputs.append(json.dumps(output, check_circular=False) if reference else output)
            del value  # before the next one is made: it may be most of the memory
    except BaseException as error:
        reply |= _raised(error)
    left_s, _ = signal.setitimer(signal.ITIMER_PROF, 0)
    if reference:
        reply["slowest_s"] = input_cpu_s - min(least_left_s, left_s)
    return reply


def _raised(error: BaseException) -> dict[str, Any]:
    """An exception as data: its names up to the first built-in one, its arguments if they are plain, its place."""
    names = []
    for kind in type(error).__mro__:
        names.append(kind.__name__)
        if kind in _BUILT_IN:
            break
    try:
        arguments: list[Any] | None = [wire.encode(argument) for argument in error.args]
        if len(json.dumps(arguments)) > _MESSAGE_LIMIT:
            arguments = None
    except Exception:
        arguments = None
    message = _message(error)
    places = [
        (line, frame.f_code.co_name) for frame, line in remote.walk(error) if frame.f_code.co_filename == SOURCE_NAME
    ]
    _print_traceback(places, f"{names[0]}: {message}")
    line = places[-1][0] if places else None
    return {"raised": {"names": names, "args": arguments, "message": message, "line": line}}


def _print_traceback(places: list[tuple[int, str]], last: str) -> None:
    """What Python prints for an uncaught exception, to the tail of the output that is kept for failures."""
    lines = [f"  line {line}, in {function}" for line, function in places[-_TRACEBACK_LINES:]]
    try:
        print("Traceback (most recent call last):", *lines, last, sep="\n", file=sys.stderr)
    except Exception:
        return  # the program has put something else in the place of stderr


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_MESSAGE_LIMIT]
    except Exception:
        return ""


def _send(channel: int, message: dict[str, Any]) -> None:
    frames.write_frame(channel, json.dumps(message, check_circular=False).encode())
