"""The trusted process: holds the tests of one suite and judges one program after another.

It gets the channel of each program as a descriptor, and answers with an outcome and the secret that came with the
order. Each program meets a fresh namespace and freshly seeded random numbers; the tests are compiled once.
"""

import json
import marshal
import os
import random
import socket
from collections.abc import Callable
from typing import Any

from coda_sandbox import frames
from coda_sandbox.check_tests import CheckSuite
from coda_sandbox.input_output import InputOutputSuite, ReferenceSuite
from coda_sandbox.remote import Outcome, Remote

ANSWERS = b"A"
"""Begins the frame of a reference's answers, so that it is told from a verdict, which begins with a brace."""

Suite = CheckSuite | InputOutputSuite | ReferenceSuite

_ORDER_LIMIT = 1 << 12
_TESTS_LIMIT = 1 << 30


def serve(control_fd: int, host: int) -> None:
    """Judge the programs that the supervisor hands over, until it hangs up.

    Args:
        control_fd: where the tests come from, as `coda_eval/execution/payload.py` has encoded them, then orders, each
            with one descriptor, and where outcomes go.
        host: where a reference's answers are written, past the supervisor.
    """
    control = socket.socket(fileno=control_fd)
    suite: Suite = _parse(marshal.loads(frames.read_frame(control_fd, _TESTS_LIMIT)))
    channel = -1
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, _ORDER_LIMIT, 1)
        if not order:
            return
        if channel >= 0:
            # Not before: a program whose channel closes ends, and would seem to have ended before its verdict.
            os.close(channel)
        (channel,) = descriptors
        random.seed(0)
        secret, input_cpu_s = json.loads(order)
        remote = Remote(channel)
        try:
            outcome, suite = _judge(suite, remote, input_cpu_s, host)
        except MemoryError:
            outcome = Outcome("out_of_memory", "the tests ran out of memory")
        frames.write_frame(control.fileno(), json.dumps({"secret": secret, **outcome._asdict()}).encode())


def _parse(tests: dict[str, Any]) -> Suite:
    kinds: dict[str, Callable[..., Suite]] = {
        "check": CheckSuite,
        "input_output": InputOutputSuite,
        "reference": ReferenceSuite,
    }
    return kinds[tests.pop("kind")](**tests)


def _judge(suite: Suite, remote: Remote, input_cpu_s: float, host: int) -> tuple[Outcome, Suite]:
    """The outcome, and the tests for the next program: a reference is followed by those that it has answered for."""
    if isinstance(suite, CheckSuite):
        return suite.judge(remote), suite
    if isinstance(suite, InputOutputSuite):
        return suite.judge(remote, input_cpu_s=input_cpu_s), suite
    outcome, answers = suite.answer(remote, input_cpu_s=input_cpu_s)
    if not answers:
        return outcome, suite
    frames.write_frame(host, ANSWERS + json.dumps(answers).encode())
    return outcome, suite.suite(answers["expected"])
