"""What an executor must hold before its verdicts are worth something: `coda-eval sandbox check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from coda_eval.errors import SandboxCrashed, TaskError
from coda_eval.execution.executor import Executor
from coda_eval.execution.hostile import HostileProgram, canary
from coda_eval.records import Program, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One program and whether the executor held."""

    name: str
    expected: str
    """Statuses, separated by commas."""
    got: str
    """A status and its detail; for a hostile program also what became of the canary, if it failed."""
    held: bool


def check_canonical(executor: Executor, programs: Iterable[Program]) -> Iterator[CheckRow]:
    """Run canonical solutions through the very path of a completion; each must pass."""
    futures = [(program, executor.submit(program)) for program in programs]
    for program, future in futures:
        try:
            verdict = future.result()
        except TaskError as error:
            yield CheckRow(name=program.task_id, expected=Status.PASSED, got=str(error), held=False)
            continue
        yield CheckRow(
            name=program.task_id,
            expected=Status.PASSED,
            got=_describe(verdict.status, verdict.detail),
            held=verdict.status is Status.PASSED,
        )


def check_hostile(executor: Executor, programs: Iterable[HostileProgram]) -> Iterator[CheckRow]:
    """Run hostile programs one at a time, and after each one a program that must still pass.

    An executor without isolation is not given the programs that it cannot hold: their rows say so, and hold.
    """
    isolated = executor.describe()["isolation"] != "none"
    for hostile in programs:
        expected = ", ".join(sorted(hostile.expected))
        if hostile.uncontained and not isolated:
            yield CheckRow(name=hostile.name, expected=expected, got=f"not run: {hostile.uncontained}", held=True)
            continue
        try:
            verdict = executor.submit(hostile.program).result()
            after = executor.submit(canary(hostile.name)).result()
        except SandboxCrashed as error:
            yield CheckRow(name=hostile.name, expected=expected, got=str(error), held=False)
            return
        got = _describe(verdict.status, verdict.detail)
        alive = after.status is Status.PASSED
        if not alive:
            got += f"; the program after it: {_describe(after.status, after.detail)}"
        yield CheckRow(name=hostile.name, expected=expected, got=got, held=alive and verdict.status in hostile.expected)


def _describe(status: Status, detail: str) -> str:
    return f"{status}: {detail}" if detail else str(status)
