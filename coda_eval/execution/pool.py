"""Programs over sandboxes: what both executors have in common.

A thread for each sandbox. A program whose sandbox dies is run again in a fresh one; one that killed two is `killed`, if
a program that must pass still does. A timeout counts only if it happens again while nothing else of ours runs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from coda_eval.errors import CodaEvalError, SandboxCrashed, SandboxError, TaskError
from coda_eval.execution.channel import Channel, Limits, Reply
from coda_eval.records import CheckTests, Program, Status, Verdict

CANARY = Program(
    task_id="canary",
    sample=0,
    suite="base",
    source="def add(a, b):\n    return a + b\n",
    entry_point="add",
    tests=CheckTests(code="assert add(2, 3) == 5"),
)
"""A program that must pass in every sandbox that works."""


@dataclass(slots=True, eq=False)
class _Job:
    program: Program
    future: Future[Verdict] = field(default_factory=Future)
    alone: bool = False
    """It timed out once and now runs while nothing else does."""


class SandboxPool:
    """An `Executor` over sandboxes of one kind."""

    def __init__(
        self,
        open_channel: Callable[[], Channel],
        *,
        limits: Limits,
        workers: int,
        description: dict[str, str],
        close: Callable[[], None],
    ) -> None:
        """Nothing starts before the pool is entered.

        Args:
            open_channel: starts one sandbox; raises `SandboxError`. Called from several threads at once.
            limits: of each program.
            workers: how many sandboxes.
            description: what `describe` adds to what the sandboxes say of themselves.
            close: called once, when all sandboxes are gone.
        """
        self._open_channel = open_channel
        self._limits = limits
        self._description = dict(description)
        self._close = close
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._to_confirm: deque[_Job] = deque()
        self._running: set[_Job] = set()
        self._channels: set[Channel] = set()
        self._closing = False
        self._failure: CodaEvalError | None = None
        self._threads = [
            threading.Thread(target=self._work, name=f"sandbox-{index}", daemon=True) for index in range(workers)
        ]

    def __enter__(self) -> Self:
        """Start all sandboxes at once and wait for the first.

        Raises:
            SandboxError: a sandbox does not start, or does not run a program that must pass.
        """
        for thread in self._threads:
            thread.start()
        try:
            verdict = self.submit(CANARY).result()
            if verdict.status is not Status.PASSED:
                raise SandboxCrashed(
                    f"the sandbox fails a program that must pass: {verdict.status} {verdict.detail}; "
                    "run `coda-eval doctor`"
                )
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with self._changed:
                    self._changed.wait_for(lambda: not (self._waiting or self._to_confirm or self._running))
        finally:
            self._stop()

    def submit(self, program: Program) -> Future[Verdict]:
        job = _Job(program)
        with self._changed:
            if self._failure is not None:
                job.future.set_exception(self._failure)
            elif self._closing:
                raise SandboxError("the executor is closed; submit programs inside its `with` block")
            elif not program.source.strip():
                job.future.set_result(_verdict(program, Status.NO_CODE, "nothing to run"))
            else:
                self._waiting.append(job)
                self._changed.notify()
        return job.future

    def describe(self) -> dict[str, str]:
        return dict(self._description)

    def _work(self) -> None:
        channel: Channel | None = None
        try:
            channel = self._start()
            while (job := self._take()) is not None:
                try:
                    channel = self._judge(job, channel)
                finally:
                    self._finish(job)
        except CodaEvalError as error:
            self._fail(error)
        except Exception as error:  # a fault of ours must not leave anybody waiting for a future
            self._fail(SandboxError(f"the executor failed: {type(error).__name__}: {error}"))
            raise
        finally:
            if channel is not None:
                self._discard(channel)

    def _take(self) -> _Job | None:
        """The next job; None when there will not be any. A timeout to confirm waits until nothing else runs."""
        with self._changed:
            while not self._closing and self._failure is None:
                exclusive = any(job.alone for job in self._running)
                if self._waiting and not exclusive:
                    job = self._waiting.popleft()
                elif self._to_confirm and not self._running and not self._waiting:
                    job = self._to_confirm.popleft()
                    job.alone = True
                else:
                    self._changed.wait()
                    continue
                if job.alone or job.future.set_running_or_notify_cancel():
                    self._running.add(job)
                    return job
            return None

    def _finish(self, job: _Job) -> None:
        with self._changed:
            self._running.discard(job)
            self._changed.notify_all()

    def _judge(self, job: _Job, channel: Channel) -> Channel:
        """Run `job` and settle its future, or leave it to be confirmed; returns the sandbox to go on with."""
        program = job.program
        try:
            try:
                reply, channel = self._run(program, channel)
            except SandboxCrashed as crash:
                channel = self._require_working(crash)
                job.future.set_result(_verdict(program, Status.KILLED, "two sandboxes died of it"))
                return channel
            if reply.status == "broken_tests":
                task = f"{program.task_id} ({program.suite})"
                job.future.set_exception(TaskError(f"the tests of {task} fail by themselves: {reply.detail}"))
            elif reply.status == Status.TIMEOUT and not job.alone:
                with self._changed:
                    self._to_confirm.append(job)
            else:
                status = Status(reply.status)
                job.future.set_result(_verdict(program, status, reply.detail, cpu_s=reply.cpu_s, wall_s=reply.wall_s))
        except BaseException as error:
            job.future.set_exception(error)
            raise
        return channel

    def _run(self, program: Program, channel: Channel) -> tuple[Reply, Channel]:
        """One reply to `program`, in a second sandbox if the first one fails.

        Raises:
            SandboxCrashed: the second one failed too.
        """
        for attempt in (1, 2):
            try:
                reply = channel.run(program, self._limits)
                if reply.status == "trouble":
                    raise SandboxCrashed(reply.detail)
            except SandboxCrashed:
                self._discard(channel)
                if attempt == 2 or self._closing:
                    raise
                channel = self._start()
                continue
            if reply.recycle:
                self._discard(channel)
                channel = self._start()
            return reply, channel
        raise AssertionError("unreachable: the second attempt returns or raises")

    def _require_working(self, crash: SandboxCrashed) -> Channel:
        """A fresh sandbox that has proved itself after `crash`; otherwise the crash is not the program's doing."""
        channel = self._start()
        if channel.run(CANARY, self._limits).status != Status.PASSED:
            self._discard(channel)
            raise crash
        return channel

    def _start(self) -> Channel:
        self._refuse_when_closing()
        channel = self._open_channel()
        with self._changed:
            self._channels.add(channel)
            for name in ("python", "numpy"):
                self._description.setdefault(name, str(channel.runner.get(name)))
        try:
            self._refuse_when_closing()
        except SandboxError:
            self._discard(channel)
            raise
        return channel

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise SandboxError("the executor is closed")

    def _discard(self, channel: Channel) -> None:
        with self._changed:
            self._channels.discard(channel)
        channel.close()

    def _fail(self, error: CodaEvalError) -> None:
        """No sandbox can be had: nobody must wait for a verdict that will not come."""
        with self._changed:
            if self._closing:
                return
            self._failure = error
            jobs = [*self._waiting, *self._to_confirm]
            self._waiting.clear()
            self._to_confirm.clear()
            self._changed.notify_all()
        for job in jobs:
            if not job.future.cancelled():
                job.future.set_exception(error)

    def _stop(self) -> None:
        with self._changed:
            self._closing = True
            jobs = [*self._waiting, *self._to_confirm]
            self._waiting.clear()
            self._to_confirm.clear()
            channels = list(self._channels)
            self._changed.notify_all()
        for job in jobs:
            if not job.future.cancel() and not job.future.done():
                job.future.set_exception(SandboxError("the executor was closed before the program was judged"))
        for channel in channels:
            channel.interrupt()
        for thread in self._threads:
            thread.join()
        for channel in list(self._channels):
            self._discard(channel)
        self._close()


def _verdict(program: Program, status: Status, detail: str, *, cpu_s: float = 0.0, wall_s: float = 0.0) -> Verdict:
    return Verdict(
        task_id=program.task_id,
        sample=program.sample,
        suite=program.suite,
        status=status,
        detail=detail,
        cpu_s=cpu_s,
        wall_s=wall_s,
    )
