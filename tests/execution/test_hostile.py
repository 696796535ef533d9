"""Every hostile program is contained, none that is wrong passes, and the next program notices nothing."""

from __future__ import annotations

import pytest

from coda_eval.execution import Executor
from coda_eval.execution.check import check_hostile
from coda_eval.execution.hostile import HostileProgram, hostile_programs
from coda_eval.records import Status


def cases() -> list[object]:
    """Docker gets all; local those that it holds, of which the ones that wait for a limit are slow."""
    found: list[object] = []
    for hostile in hostile_programs():
        found.append(pytest.param("docker", hostile, marks=pytest.mark.docker, id=f"docker-{hostile.name}"))
        if not hostile.uncontained:
            marks = [pytest.mark.slow] if Status.TIMEOUT in hostile.expected else []
            found.append(pytest.param("local", hostile, marks=marks, id=f"local-{hostile.name}"))
    return found


@pytest.mark.parametrize(("kind", "hostile"), cases())
def test_hostile_program_is_contained(executor: Executor, kind: str, hostile: HostileProgram) -> None:
    """It gets a status that is right for it, and a program after it passes."""
    [row] = check_hostile(executor, [hostile])
    assert row.held, row.got


@pytest.mark.parametrize("kind", ["local"])
def test_an_executor_without_isolation_names_what_it_does_not_hold(executor: Executor, kind: str) -> None:
    """Such a program is not run, and its row says why."""
    uncontained = [hostile for hostile in hostile_programs() if hostile.uncontained]
    for hostile, row in zip(uncontained, check_hostile(executor, uncontained), strict=True):
        assert row.got == f"not run: {hostile.uncontained}"


def test_hostile_names_are_unique() -> None:
    """Results are listed by name."""
    names = [hostile.name for hostile in hostile_programs()]
    assert len(set(names)) == len(names) >= 80


def test_only_harmless_programs_may_pass() -> None:
    """Where `passed` is right, the program is a correct one."""
    for hostile in hostile_programs():
        if Status.PASSED in hostile.expected:
            assert "return a + b" in hostile.source
            assert hostile.about.startswith("a correct answer")
