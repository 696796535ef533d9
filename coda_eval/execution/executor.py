"""The contract of an executor, which `tests/execution/test_conformance.py` spells out."""

from __future__ import annotations

from concurrent.futures import Future
from types import TracebackType
from typing import Protocol, Self

from coda_eval.records import Program, Verdict


class Executor(Protocol):
    """Runs programs in sandboxes. A context manager: entering starts the sandboxes, leaving removes them.

    Leaving waits for what was submitted; leaving by an exception cancels it.
    """

    def submit(self, program: Program) -> Future[Verdict]:
        """Run `program` some time soon. Never blocks; may be called from any thread.

        The future raises a `SandboxError` where the sandbox failed, a `TaskError` where the tests fail by themselves:
        neither says anything about the program.
        """
        ...

    def describe(self) -> dict[str, str]:
        """What a manifest records: `executor`, `isolation`, `python`, `numpy`, and `image` where there is one."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
