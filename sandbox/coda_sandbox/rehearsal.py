"""Both sides of a small program, played before the first fork.

What Python makes when it first needs it (the types of `ast`, caches, specialised bytecode) is made here once and
inherited, and not by every program's process anew: that would be a fifth of its cost.
"""

import json
import marshal
import socket

from coda_sandbox import frames, program
from coda_sandbox.check_tests import CheckSuite
from coda_sandbox.input_output import BATCH, InputOutputSuite
from coda_sandbox.remote import Remote

_SOURCE = b"""\
from typing import List, Optional

class Pair:
    def __init__(self, first: int, second: int) -> None:
        self.first, self.second = first, second

def add(a, b, *, c=None) -> int:
    pair = Pair(a, b)
    return sum([number for number in (pair.first, pair.second) if number is not None]) + len(c or {})
"""
_CODE = "def check(candidate):\n    assert candidate(2, 3) == 5\n    assert candidate([2][0], 3) == 5\n\ncheck(add)\n"
_ROUNDS = 64
"""Python specialises what has run often enough."""


def rehearse() -> None:
    """Run what programs and testers run."""
    call = json.dumps({"args": [2, 3], "kwargs": {}}).encode()
    batch = BATCH.pack(1.0, False, False, False) + marshal.dumps([[2, 3]], 2)
    for _ in range(_ROUNDS):
        replies = _play([call, call, batch])
        loaded, value, _, outputs = replies
        _listen(CheckSuite(entry_point="add", setup="", code=_CODE), [loaded, value, value])
        suite = InputOutputSuite(entry_point="add", inputs=[[2, 3]], expected=["5"], oracle="close", atol=0.0)
        _listen(suite, [loaded, outputs])


def _play(requests: list[bytes]) -> list[bytes]:
    """The replies of the program, the first of them unasked."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for request in [_SOURCE, *requests]:
            frames.write_frame(ours.fileno(), request)
        ours.shutdown(socket.SHUT_WR)
        program.serve(theirs.fileno(), "add")
        return [frames.read_frame(ours.fileno(), 1 << 16) for _ in range(1 + len(requests))]


def _listen(suite: CheckSuite | InputOutputSuite, replies: list[bytes]) -> None:
    """Have the suite judge a program that has replied already."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for reply in replies:
            frames.write_frame(theirs.fileno(), reply)
        if isinstance(suite, CheckSuite):
            outcome = suite.judge(Remote(ours.fileno()))
        else:
            outcome = suite.judge(Remote(ours.fileno()), input_cpu_s=1.0)
    assert outcome.status == "passed", outcome
