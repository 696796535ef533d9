"""Programs go to the executor, verdicts to the run directory, while the caller does something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from coda_eval.execution import Executor
from coda_eval.records import Program, Verdict
from coda_eval.store import RunWriter

MOST_OUTSTANDING = 1024
"""Programs that wait for their verdict; `submit` waits where there are more, which bounds memory."""


class Judge:
    """A context manager; leaving it waits until everything submitted has its verdict on disk."""

    def __init__(
        self,
        executor: Executor,
        writer: RunWriter,
        *,
        on_submit: Callable[[], None],
        on_verdict: Callable[[], None],
    ) -> None:
        """The executor must have been entered. The callbacks move a progress bar."""
        self._executor = executor
        self._writer = writer
        self._on_submit = on_submit
        self._on_verdict = on_verdict
        # The executor calls back from its threads; the writer takes one verdict at a time.
        self._changed = threading.Condition()
        self._outstanding = 0
        self._failure: BaseException | None = None

    def submit(self, programs: Iterable[Program]) -> None:
        """Judges those programs of a sample that is on disk that have no verdict yet.

        Raises:
            CodaEvalError: judging an earlier program failed; nothing more is submitted.
        """
        for program in programs:
            if self._writer.has_verdict(program.task_id, program.sample, program.suite):
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._outstanding < MOST_OUTSTANDING or self._failure is not None)
                self.check()
                self._outstanding += 1
            self._on_submit()
            self._executor.submit(program).add_done_callback(self._finished)

    def check(self) -> None:
        """Raises what went wrong in judging, if anything did."""
        if self._failure is not None:
            raise self._failure

    def _finished(self, future: Future[Verdict]) -> None:
        try:
            if not future.cancelled():
                with self._changed:
                    self._writer.append_verdict(future.result())
                self._on_verdict()
        except BaseException as error:  # carried to the thread that waits
            with self._changed:
                self._failure = self._failure or error
        finally:
            with self._changed:
                self._outstanding -= 1
                self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            with self._changed:
                self._changed.wait_for(lambda: self._outstanding == 0 or self._failure is not None)
            self.check()
