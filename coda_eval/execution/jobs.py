"""What waits for a sandbox: references first, then timeouts, then programs by their tests."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from coda_eval.execution.payload import Answers, Payload
from coda_eval.records import Program, Tests, Verdict

_NO_TIME_S = 0.1
"""CPU seconds of a reference whose programs are soon done."""


@dataclass(slots=True, eq=False)
class Suite:
    """The tests of one problem, and the programs that they judge."""

    tests: Tests
    entry_point: str
    name: str
    """For messages: the problem and the suite."""
    reference: Payload | None = None
    """What its reference program is asked; None once it has answered, and for tests that are code."""
    payload: Payload | None = None
    """None while the expected outputs are not known."""
    answers: Answers | None = None
    held: list[Job] = field(default_factory=list)
    """First runs that wait for the expected outputs."""
    waiting: deque[Job] = field(default_factory=deque)
    """First runs that wait for a sandbox."""
    pending: dict[bytes, Job] = field(default_factory=dict)
    """Jobs without a verdict, by the hash of their source."""
    verdicts: dict[bytes, Verdict] = field(default_factory=dict)
    """Of the programs that were judged already: an equal one is not run again."""
    workers: int = 0
    """How many sandboxes are at it."""


@dataclass(slots=True, eq=False)
class Job:
    """A program that has to be run, and all equal ones."""

    suite: Suite
    source: str
    digest: bytes = b""
    """Of the source; empty for a reference."""
    programs: list[tuple[Program, Future[Verdict]]] = field(default_factory=list)
    is_reference: bool = False
    confirming: bool = False
    """It timed out in its first run."""
    crashes: int = 0
    """Sandboxes that died with it."""
    followers: list[tuple[Job, Verdict]] = field(default_factory=list)
    """The same program under other suites, timed out in its first run: this verdict decides what comes of them."""


class JobQueue:
    """Decides what runs next. Not thread-safe: the pool holds its lock."""

    def __init__(self) -> None:
        self._references: deque[Job] = deque()
        self._suites: list[Suite] = []
        """Those with first runs that wait."""
        self._timeouts: deque[Job] = deque()
        """To confirm, and what they wait for."""
        self.first_runs = 0
        """How many wait."""

    def add(self, job: Job) -> None:
        """Append a job to where it belongs."""
        if job.is_reference:
            self._references.append(job)
        elif job.confirming:
            self._timeouts.append(job)
        else:
            self._add_first_run(job)
            job.suite.waiting.append(job)

    def prefer(self, job: Job) -> None:
        """A timeout waits for this first run: take it before the others."""
        if job in job.suite.waiting:
            self._remove_first_run(job)
            self._timeouts.appendleft(job)

    def put_back(self, job: Job) -> None:
        """The sandbox that had taken it is gone: it is next again."""
        if job.is_reference:
            self._references.appendleft(job)
        elif job.confirming:
            self._timeouts.appendleft(job)
        else:
            self._add_first_run(job)
            job.suite.waiting.appendleft(job)

    def take(self, last: Suite | None, *, only_first_runs: bool) -> Job | None:
        """The next job for a sandbox whose last one was of suite `last`; None if there is none.

        What takes long comes first, so that no sandbox is left alone with it at the end. A sandbox stays with a suite
        as long as it lasts: it has those tests, from the reference on if its answers take no time. Then comes the
        suite that takes longest, of those that no other sandbox is at.
        """
        if not only_first_runs:
            if self._references and not _stays(last):
                return self._references.popleft()
            if self._timeouts:
                return self._timeouts.popleft()
        if self._suites:
            suite = last if last is not None and last.waiting else None
            if suite is None:
                suite = min(self._suites, key=lambda s: (s.workers, -(s.answers.cpu_s if s.answers else 0.0)))
            job = suite.waiting[0]
            self._remove_first_run(job)
            return job
        return None

    def enough_to_take_ahead(self, last: Suite | None, *, sandboxes: int) -> bool:
        """Whether a sandbox whose last job was of suite `last` may take a first run before it is done with that.

        What one sandbox takes ahead another cannot take: not when there is little left. And none that has something
        ahead takes what is long: somebody has to come to it.
        """
        return self.first_runs > 2 * sandboxes and not self._timeouts and (not self._references or _stays(last))

    def clear(self) -> None:
        """Forget all of them."""
        self._references.clear()
        for suite in self._suites:
            suite.waiting.clear()
        self._suites.clear()
        self._timeouts.clear()
        self.first_runs = 0

    def _add_first_run(self, job: Job) -> None:
        self.first_runs += 1
        if not job.suite.waiting:
            self._suites.append(job.suite)

    def _remove_first_run(self, job: Job) -> None:
        self.first_runs -= 1
        job.suite.waiting.remove(job)
        if not job.suite.waiting:
            self._suites.remove(job.suite)


def _stays(suite: Suite | None) -> bool:
    """The sandbox whose last job was of this suite has its tests, and what is left of it is soon done."""
    if suite is None or suite.answers is None:
        return False
    return bool(suite.waiting) and suite.answers.cpu_s < _NO_TIME_S
