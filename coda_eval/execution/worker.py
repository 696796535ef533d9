"""The thread of one sandbox: hands programs over, takes replies, and replaces a sandbox that dies."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from coda_eval.errors import CodaEvalError, SandboxCrashed, SandboxError, TaskError
from coda_eval.execution.channel import TESTS_MISSING, Channel, Reply
from coda_eval.execution.jobs import Job, Suite
from coda_eval.execution.limits import Limits
from coda_eval.execution.payload import Answers, Payload, check_payload
from coda_eval.records import CheckTests, Program, Status, Verdict

if TYPE_CHECKING:
    from coda_eval.execution.pool import SandboxPool

_CANARY_TESTS = CheckTests(code="assert add(2, 3) == 5")
CANARY = Program(
    task_id="canary",
    sample=0,
    suite="base",
    source="def add(a, b):\n    return a + b\n",
    entry_point="add",
    tests=_CANARY_TESTS,
)
"""A program that must pass in every sandbox that works."""

_AHEAD = 8
"""Programs that one sandbox has at a time."""

_PROGRAMS_A_SANDBOX = 2000
"""A new sandbox every so often, whatever the kernel may have kept of the programs before. Costs 0.1 ms a program."""


class _UnderWay(NamedTuple):
    job: Job
    payload: Payload
    limits: Limits


class Worker:
    """One sandbox after another, one at a time."""

    def __init__(self, pool: SandboxPool, number: int) -> None:
        self._pool = pool
        self._number = number
        self._channel: Channel | None = None
        self._under_way: deque[_UnderWay] = deque()
        """What the sandbox has not answered yet, in the order in which it will."""
        self._last: Suite | None = None

    def run(self) -> None:
        """Serve the pool until it closes or fails."""
        try:
            channel = self._open()
            while True:
                try:
                    self._hand_over(channel)
                    if not self._under_way:
                        return
                    fresh = self._take_reply(channel)
                except SandboxCrashed as crash:
                    fresh = False
                    self._blame(crash)
                if not fresh:
                    channel = self._replace()
        except CodaEvalError as error:
            self._pool.fail(error)
        except Exception as error:  # a fault of ours must not leave anybody waiting for a future
            self._pool.fail(SandboxError(f"the executor failed: {type(error).__name__}: {error}"))
            raise
        finally:
            if self._channel is not None:
                self._pool.discard(self._channel)

    def _open(self) -> Channel:
        self._channel = self._pool.open(self._number)
        return self._channel

    def _replace(self) -> Channel:
        """A fresh sandbox; what the old one has not answered goes back to the queue."""
        if self._channel is not None:
            self._pool.discard(self._channel)
        self._pool.put_back(item.job for item in self._under_way)
        self._under_way.clear()
        return self._open()

    def _hand_over(self, channel: Channel) -> None:
        """Give the sandbox as much as it should have; nothing is under way afterwards if the pool has closed.

        Raises:
            SandboxCrashed: it died.
        """
        while len(self._under_way) < min(_AHEAD, _PROGRAMS_A_SANDBOX - channel.served):
            if self._under_way and (self._under_way[-1].job.is_reference or self._under_way[-1].job.confirming):
                return  # these take long: nothing waits behind them that another sandbox could do
            job = self._pool.take(self._last, ahead=bool(self._under_way))
            if job is None:
                return
            self._last = job.suite
            payload = job.suite.reference if job.is_reference else job.suite.payload
            assert payload is not None
            item = _UnderWay(job, payload, self._pool.limits(job))
            self._under_way.append(item)
            channel.send(job.source, job.suite.entry_point, payload, item.limits)

    def _take_reply(self, channel: Channel) -> bool:
        """Take the next reply and settle its job; returns whether the sandbox may be used on.

        Raises:
            SandboxCrashed: it died, or is in trouble.
        """
        job, payload, limits = self._under_way[0]
        reply = channel.receive(payload, limits)
        if reply.status == "trouble":
            raise SandboxCrashed(reply.detail)
        self._under_way.popleft()
        if reply.status == TESTS_MISSING:
            self._pool.put_back([job])
        elif job.is_reference:
            self._settle_reference(job, reply)
        elif reply.status == "broken_tests":
            self._pool.settle(job, TaskError(f"the tests of {job.suite.name} fail by themselves: {reply.detail}"))
        elif reply.status == Status.TIMEOUT and not job.confirming:
            self._pool.confirm(job, _verdict_of(job, reply))
        else:
            self._pool.settle(job, _verdict_of(job, reply))
        return not reply.recycle and channel.served < _PROGRAMS_A_SANDBOX

    def _settle_reference(self, job: Job, reply: Reply) -> None:
        if reply.status != Status.PASSED or reply.answers is None:
            said = f"{reply.status}: {reply.detail}"
            self._pool.settle_reference(
                job, TaskError(f"the reference program of {job.suite.name} does not answer its own inputs ({said})")
            )
            return
        self._pool.settle_reference(job, Answers(**reply.answers, cpu_s=reply.cpu_s))

    def _blame(self, crash: SandboxCrashed) -> None:
        """The sandbox died. The program that it ran is run again; one that killed two is killed.

        Raises:
            SandboxCrashed: a fresh sandbox fails a program that must pass: the deaths are not the program's doing.
        """
        if not self._under_way:
            return
        job = self._under_way[0].job
        job.crashes += 1
        if job.crashes < 2:
            return
        self._under_way.popleft()
        canary = check_payload(_CANARY_TESTS, CANARY.entry_point)
        channel, limits = self._replace(), self._pool.limits_of_canary()
        channel.send(CANARY.source, CANARY.entry_point, canary, limits)
        if channel.receive(canary, limits).status != Status.PASSED:
            raise crash
        if job.is_reference:
            self._pool.settle_reference(
                job, TaskError(f"two sandboxes died of the reference program of {job.suite.name}")
            )
        else:
            self._pool.settle(job, _verdict(job, Status.KILLED, detail="two sandboxes died of it"))


def _verdict_of(job: Job, reply: Reply) -> Verdict:
    return _verdict(
        job,
        Status(reply.status),
        detail=reply.detail,
        output=reply.output,
        cpu_s=reply.cpu_s,
        wall_s=reply.wall_s,
    )


def _verdict(
    job: Job, status: Status, *, detail: str, output: str = "", cpu_s: float = 0.0, wall_s: float = 0.0
) -> Verdict:
    program, _ = job.programs[0]
    return Verdict(
        task_id=program.task_id,
        sample=program.sample,
        suite=program.suite,
        status=status,
        detail=detail,
        output=output,
        cpu_s=cpu_s,
        wall_s=wall_s,
    )
