"""The supervisor's end of the testers: which are there, for which tests."""

import contextlib
import os
import select
import signal
import socket
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from coda_sandbox.forks import Forks

_KEPT = 4
"""The programs of one task come one after another, as a rule."""


class Tester(NamedTuple):
    """A running tester."""

    pid: int
    control: socket.socket
    forks: Forks
    """The server that has made it."""

    def order(self, channel: socket.socket, order: bytes) -> None:
        """Have it judge the program at the other end of `channel`. One that is gone is noticed by the watch."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self.control, [order], [channel.fileno()])


class Testers:
    """The testers that wait for another program, by the name of their tests."""

    def __init__(self) -> None:
        self._by_tests: OrderedDict[str, Tester] = OrderedDict()

    def pids(self) -> Iterator[int]:
        """Their processes."""
        return (tester.pid for tester in self._by_tests.values())

    def take(self, tests: str) -> Tester | None:
        """The tester of these tests, if it is still there: the kernel may have killed it for memory."""
        tester = self._by_tests.get(tests)
        if tester is None:
            return None
        if select.select([tester.control], [], [], 0)[0]:  # it speaks only when it is asked: this is its end
            self.drop(tests)
            return None
        self._by_tests.move_to_end(tests)
        return tester

    def add(self, tests: str, tester: Tester) -> None:
        """Keep one more; the one not used for longest goes."""
        self._by_tests[tests] = tester
        if len(self._by_tests) > _KEPT:
            self.drop(next(iter(self._by_tests)))

    def drop(self, tests: str) -> None:
        """End a tester, if it is there."""
        tester = self._by_tests.pop(tests, None)
        if tester is not None:
            os.kill(tester.pid, signal.SIGKILL)
            tester.forks.reap(tester.pid)
            tester.control.close()

    def forget(self) -> None:
        """All of them have been killed and reaped."""
        for tester in self._by_tests.values():
            tester.control.close()
        self._by_tests.clear()
