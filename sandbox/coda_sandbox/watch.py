"""Waits for the end of one job: an outcome, the end of the program's process, a limit, the end of the host."""

import json
import os
import select
import time
from typing import NamedTuple

from coda_sandbox import frames, limits
from coda_sandbox.testers import Tester

_OUTCOME_LIMIT = 1 << 16
_SUPERVISOR_CPU_S = 0.05
"""More than this process itself needs for one job: it is on the container's clock too."""

_EXIT_GRACE_S = 0.25
"""How long a program that has closed its channel gets to end, so that the way it ended can be told."""


class Verdict(NamedTuple):
    """The answer to a job."""

    status: str
    detail: str = ""


class Watch:
    """Watches one program and its tester."""

    def __init__(
        self,
        program_pid: int,
        tester: Tester,
        requests: int,
        clock: limits.ContainerClock,
        *,
        cpu_s: float,
        waiting_s: float,
    ) -> None:
        """Time counts from now."""
        self._clock = clock
        self._clock_before_s = clock.seconds()
        self._program_pid = program_pid
        self._tester_pid = tester.pid
        self._control = tester.control.fileno()
        self._requests = requests
        self._cpu_s = cpu_s
        self._waiting_s = waiting_s
        self._started = time.monotonic()
        self.tester_answered = False
        """Whether the tester has done with this program, and can judge another."""
        # A tester has judged other programs before.
        self._tester_before_s = limits.cpu_seconds(tester.pid)
        self._tester_starved_before_s = limits.starved_seconds(tester.pid)
        # The process, not its pipe: a grandchild may hold that open for ever.
        self._program_fd = os.pidfd_open(program_pid)
        self._poller = select.poll()
        self._poller.register(self._control, select.POLLIN)
        self._poller.register(self._program_fd, select.POLLIN)
        self._poller.register(requests, 0)  # reports only that the host has hung up

    def close(self) -> None:
        os.close(self._program_fd)

    def wait(self, secret: str) -> Verdict | None:
        """The verdict; None when the program's process ended first and its wait status must tell.

        Raises:
            frames.ChannelClosed: the host is gone.
        """
        while True:
            waiting_left_s = self._waiting_s - self._waited()
            cpu_left_s = self._cpu_s - self._cpu_used()
            if cpu_left_s <= 0:
                return self._over_cpu_time()
            if waiting_left_s <= 0:
                return Verdict("timeout", f"over {self._waiting_s:g} s of waiting")
            # Two processes may compute at once: look again when half of what is left could be used up.
            pause_s = min(waiting_left_s, max(cpu_left_s / 2, 0.005))
            ready = dict(self._poller.poll(pause_s * 1000 + 1))
            if self._requests in ready and ready[self._requests] & (select.POLLHUP | select.POLLERR):
                raise frames.ChannelClosed
            if self._program_fd in ready:
                return None
            if self._control in ready:
                return self._read_outcome(secret)

    def tester_cpu_s(self) -> float:
        """CPU seconds that the tester has spent on this program."""
        return limits.cpu_seconds(self._tester_pid) - self._tester_before_s

    def _cpu_used(self) -> float:
        of_both_s = limits.cpu_seconds(self._program_pid) + self.tester_cpu_s()
        # Children of the program count as well: a fork bomb uses up its time as a loop does.
        return max(of_both_s, self._clock.seconds() - self._clock_before_s - _SUPERVISOR_CPU_S)

    def _waited(self) -> float:
        """Seconds in which the program and its tester neither ran nor were kept from it by others."""
        waited = time.monotonic() - self._started - self._cpu_used()
        if waited < self._waiting_s:
            return waited  # it can only become less: the rest need not be asked
        starved_s = limits.starved_seconds(self._program_pid) + limits.starved_seconds(self._tester_pid)
        return waited - (starved_s - self._tester_starved_before_s)

    def _over_cpu_time(self) -> Verdict:
        return Verdict("timeout", f"over {self._cpu_s:g} s of CPU time")

    def _read_outcome(self, secret: str) -> Verdict | None:
        try:
            outcome = json.loads(frames.read_frame(self._control, _OUTCOME_LIMIT))
        except (frames.ChannelClosed, frames.FrameTooLarge, ValueError):
            if self._cpu_used() >= self._cpu_s:
                return self._over_cpu_time()
            return Verdict("trouble", "the tester ended without an outcome")
        if outcome.get("secret") != secret:
            return Verdict("trouble", "an outcome without the secret")
        self.tester_answered = True
        # A program that is gone before its verdict ended early, whatever it had answered until then.
        grace_s = _EXIT_GRACE_S if outcome["channel_closed"] else 0.0
        if select.select([self._program_fd], [], [], grace_s)[0]:
            return None
        return Verdict(outcome["status"], outcome["detail"])
