"""Programs over sandboxes: what both executors have in common.

A thread for each sandbox, which hands it a few programs ahead, so that it never waits for this process. A program whose
sandbox dies is run again in a fresh one; one that killed two is `killed`, if a program that must pass still does. A
timeout counts only if it happens again, with all of the time, alone in a sandbox; or if the same program has timed out
so under the suite `base`, without which no other counts. Equal programs are run once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from coda_eval.config import ExecutionConfig
from coda_eval.errors import CodaEvalError, SandboxCrashed, SandboxError, TaskError
from coda_eval.execution.channel import Channel
from coda_eval.execution.expected import ExpectedOutputs
from coda_eval.execution.jobs import Job, JobQueue, Suite
from coda_eval.execution.limits import Limits
from coda_eval.execution.payload import Answers, Payload, check_payload, input_output_payload, reference_payload
from coda_eval.execution.worker import CANARY, Worker
from coda_eval.records import BASE_SUITE, CheckTests, InputOutputTests, Program, Status, Verdict

__all__ = ["CANARY", "SandboxPool"]


class SandboxPool:
    """An `Executor` over sandboxes of one kind."""

    def __init__(
        self,
        open_channel: Callable[[int], Channel],
        *,
        config: ExecutionConfig,
        workers: int,
        description: dict[str, str],
        close: Callable[[], None],
        expected: ExpectedOutputs | None = None,
    ) -> None:
        """Nothing starts before the pool is entered.

        Args:
            open_channel: starts a sandbox for the worker of that number; raises `SandboxError`. Called from several
                threads at once.
            config: the limits of each program.
            workers: how many sandboxes.
            description: what `describe` adds to what the sandboxes say of themselves.
            close: called once, when all sandboxes are gone.
            expected: where the expected outputs of input/output tests are kept; None takes the user's cache.
        """
        self._open_channel = open_channel
        self._config = config
        self._description = dict(description)
        self._close = close
        self._expected = expected or ExpectedOutputs()
        self._changed = threading.Condition()
        self._suites: dict[tuple[int, str], Suite] = {}
        self._base_suites: dict[str, Suite] = {}
        """By task id."""
        self._queue = JobQueue()
        self._unsettled: set[Job] = set()
        self._channels: set[Channel] = set()
        self._closing = False
        self._failure: CodaEvalError | None = None
        self._threads = [
            threading.Thread(target=Worker(self, number).run, name=f"sandbox-{number}", daemon=True)
            for number in range(workers)
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
                    self._changed.wait_for(lambda: not self._unsettled)
        finally:
            self._stop()

    def submit(self, program: Program) -> Future[Verdict]:
        future: Future[Verdict] = Future()
        if not program.source.strip():
            future.set_result(_verdict(program, Status.NO_CODE, "nothing to run"))
            return future
        prepared: Suite | None = None
        while True:
            with self._changed:
                if self._closing:
                    raise SandboxError("the executor is closed; submit programs inside its `with` block")
                failure = self._failure
                suite = self._suite_of(program, prepared) if failure is None else None
                known = self._enqueue(suite, program, future) if suite is not None else None
            if failure is not None:
                future.set_exception(failure)
                return future
            if suite is not None:
                if known is not None:
                    future.set_result(_of_equal(program, known))
                return future
            try:
                prepared = self._prepare(program)  # takes too long to have the sandboxes wait for the lock
            except TaskError as error:
                future.set_exception(error)
                return future

    def describe(self) -> dict[str, str]:
        return dict(self._description)

    def _enqueue(self, suite: Suite, program: Program, future: Future[Verdict]) -> Verdict | None:
        """Have `program` judged, unless an equal one was already: then its verdict."""
        digest = hashlib.sha256(program.source.encode("utf-8", "surrogatepass")).digest()
        if (known := suite.verdicts.get(digest)) is not None:
            return known
        job = suite.pending.get(digest)
        if job is None:
            job = suite.pending[digest] = Job(suite, program.source, digest)
            self._unsettled.add(job)
            if suite.payload is None:
                suite.held.append(job)
            else:
                self._queue.add(job)
                self._changed.notify()
        job.programs.append((program, future))
        return None

    def _suite_of(self, program: Program, prepared: Suite | None) -> Suite | None:
        """Its suite; None where it must be prepared first."""
        # By identity: the tests of a problem are one object, and large. The suite keeps it, so that no id comes twice.
        key = (id(program.tests), program.entry_point)
        suite = self._suites.get(key)
        if suite is None and prepared is not None:
            suite = self._suites[key] = prepared
            if program.suite == BASE_SUITE:
                self._base_suites[program.task_id] = suite
            if suite.payload is None:
                assert isinstance(suite.tests, InputOutputTests)
                reference = Job(suite, suite.tests.reference, is_reference=True)
                self._unsettled.add(reference)
                self._queue.add(reference)
                self._changed.notify()
        return suite

    def _prepare(self, program: Program) -> Suite:
        """A suite with its tests as the sandbox reads them, where the expected outputs are known.

        Raises:
            TaskError: they cannot be sent.
        """
        tests = program.tests
        suite = Suite(tests, program.entry_point, f"{program.task_id} ({program.suite})")
        if isinstance(tests, CheckTests):
            suite.payload = check_payload(tests, program.entry_point)
            return suite
        reference = reference_payload(tests, program.entry_point, about=suite.name)
        suite.answers = self._expected.read(self._expected_name(reference, tests))
        if suite.answers is None:
            suite.reference = reference
        else:
            suite.payload = input_output_payload(reference, suite.answers)
        return suite

    def _expected_name(self, reference: Payload, tests: InputOutputTests) -> str:
        return self._expected.name(tests.reference, reference, self._description)

    def take(self, last: Suite | None, *, ahead: bool) -> Job | None:
        """The next job for a worker; None when there will not be any, or, for `ahead`, is none worth taking now."""
        with self._changed:
            while not self._closing and self._failure is None:
                if not ahead or self._queue.enough_to_take_ahead(last, sandboxes=len(self._threads)):
                    job = self._queue.take(last, only_first_runs=ahead)
                    if job is not None:
                        if last is not None:
                            last.workers -= 1
                        job.suite.workers += 1
                        return job
                if ahead:
                    return None
                self._changed.wait()
            return None

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Jobs that a sandbox had and did not answer, first ones first."""
        with self._changed:
            for job in reversed(list(jobs)):
                self._queue.put_back(job)
            self._changed.notify_all()

    def confirm(self, job: Job, timeout: Verdict) -> None:
        """A timeout of a first run: what the same program does under `base` comes first."""
        base = self._base_suites.get(job.programs[0][0].task_id)
        with self._changed:
            known = None
            if base is not None and base is not job.suite:
                known = base.verdicts.get(job.digest)
                judged_first = base.pending.get(job.digest)
                if judged_first is not None:
                    judged_first.followers.append((job, timeout))
                    self._queue.prefer(judged_first)
                    return
            if known is None or known.status is not Status.TIMEOUT:
                job.confirming = True
                self._queue.add(job)
                self._changed.notify()
                return
        self.settle(job, dataclasses.replace(timeout, detail=f"{timeout.detail}, as under {BASE_SUITE}"))

    def settle(self, job: Job, outcome: Verdict | CodaEvalError) -> None:
        """Give `job` its verdict, or the reason why it has none."""
        with self._changed:
            if job not in self._unsettled:
                return  # the pool has failed or closes, and has said so to whoever waits
            self._unsettled.discard(job)
            job.suite.pending.pop(job.digest, None)
            if isinstance(outcome, Verdict):
                job.suite.verdicts[job.digest] = outcome
            programs = job.programs
        for program, future in programs:
            if not future.set_running_or_notify_cancel():
                continue
            if isinstance(outcome, Verdict):
                future.set_result(_of_equal(program, outcome))
            else:
                future.set_exception(outcome)
        for follower, timeout in job.followers:
            self.confirm(follower, timeout)
        with self._changed:
            self._changed.notify_all()

    def settle_reference(self, job: Job, outcome: Answers | CodaEvalError) -> None:
        """The expected outputs of a suite are known, or cannot be: its programs can run, or never will."""
        suite = job.suite
        assert isinstance(suite.tests, InputOutputTests)
        assert suite.reference is not None
        payload = None
        if isinstance(outcome, Answers):
            payload = input_output_payload(suite.reference, outcome)
            self._expected.write(self._expected_name(suite.reference, suite.tests), outcome)
        with self._changed:
            if job not in self._unsettled:
                return
            self._unsettled.discard(job)
            held, suite.held = suite.held, []
            if isinstance(outcome, Answers):
                suite.answers, suite.payload, suite.reference = outcome, payload, None
                for waiting in held:
                    self._queue.add(waiting)
            else:
                # Somebody may yet submit a program of this suite: that starts anew.
                self._suites.pop((id(suite.tests), suite.entry_point), None)
            self._changed.notify_all()
        if not isinstance(outcome, Answers):
            for waiting in held:
                self.settle(waiting, outcome)

    def limits(self, job: Job) -> Limits:
        """What the next run of `job` may use."""
        if job.is_reference:
            return Limits.of_reference(self._config)
        if job.suite.answers is not None:
            return Limits.of_inputs(self._config, job.suite.answers, first=not job.confirming)
        return Limits.of_checks(self._config, first=not job.confirming)

    def limits_of_canary(self) -> Limits:
        """What a program that must pass may use."""
        return Limits.of_checks(self._config, first=False)

    def open(self, number: int) -> Channel:
        """A fresh sandbox for the worker of that number.

        Raises:
            SandboxError: none can be had, or the pool closes.
        """
        self._refuse_when_closing()
        channel = self._open_channel(number)
        with self._changed:
            self._channels.add(channel)
            for name in ("python", "numpy"):
                self._description.setdefault(name, str(channel.runner.get(name)))
        try:
            self._refuse_when_closing()
        except SandboxError:
            self.discard(channel)
            raise
        return channel

    def discard(self, channel: Channel) -> None:
        """End a sandbox."""
        with self._changed:
            self._channels.discard(channel)
        channel.close()

    def fail(self, error: CodaEvalError) -> None:
        """No sandbox can be had: nobody must wait for a verdict that will not come."""
        with self._changed:
            if self._closing:
                return
            self._failure = error
            jobs = self._abandon()
        for job in jobs:
            for _, future in job.programs:
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise SandboxError("the executor is closed")

    def _abandon(self) -> list[Job]:
        jobs = list(self._unsettled)
        self._unsettled.clear()
        self._queue.clear()
        self._changed.notify_all()
        return jobs

    def _stop(self) -> None:
        with self._changed:
            self._closing = True
            jobs = self._abandon()
            channels = list(self._channels)
        for channel in channels:
            channel.interrupt()
        for thread in self._threads:
            thread.join()
        for job in jobs:
            for _, future in job.programs:
                if not future.cancel() and not future.done():
                    future.set_exception(SandboxError("the executor was closed before the program was judged"))
        for channel in list(self._channels):
            self.discard(channel)
        self._close()


def _verdict(program: Program, status: Status, detail: str) -> Verdict:
    return Verdict(task_id=program.task_id, sample=program.sample, suite=program.suite, status=status, detail=detail)


def _of_equal(program: Program, verdict: Verdict) -> Verdict:
    """The verdict of an equal program, as that of `program`."""
    return dataclasses.replace(verdict, task_id=program.task_id, sample=program.sample, suite=program.suite)
