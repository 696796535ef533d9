"""The hostile programs of `sandbox/hostile/`, and the program that must still pass after each of them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from coda_eval.assets import asset
from coda_eval.records import CheckTests, Program, Status

TESTS = CheckTests(
    code="""
def check(candidate):
    assert candidate(2, 3) == 5
    assert candidate(-1, 1) == 0
    assert candidate(10, 20) == 30

check(add)
"""
)

_CANARY_SOURCE = """
import os

# Nothing of the program before may be left: no file, and in a container no process under the user id of a program.
left = os.listdir(".")
if os.getppid() == 1:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with open(f"/proc/{pid}/status") as status:
            user = int(status.read().split("Uid:")[1].split()[0])
        if user >= 20_000 and int(pid) != os.getpid():
            left.append(pid)
if left:
    raise RuntimeError(f"found {left}")

def add(a, b):
    return a + b
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileProgram:
    """A program that attacks the sandbox or the verdict."""

    name: str
    about: str
    group: str
    expected: frozenset[Status]
    """Any of these is right."""
    source: str
    uncontained: str = ""
    """Why an executor without isolation does not hold it and must not run it; empty where it does."""

    @property
    def program(self) -> Program:
        return Program(
            task_id=f"hostile/{self.name}", sample=0, suite="base", source=self.source, entry_point="add", tests=TESTS
        )


def canary(after: str) -> Program:
    """A program that passes only in a sandbox that works and holds nothing of the program before.

    Each has a source of its own, as equal programs are run once.
    """
    return Program(
        task_id=f"canary/{after}",
        sample=0,
        suite="base",
        source=f"# after {after}\n{_CANARY_SOURCE}",
        entry_point="add",
        tests=TESTS,
    )


def hostile_programs() -> list[HostileProgram]:
    """All of them, group by group."""
    programs = []
    for path in sorted(asset("sandbox", "hostile").glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["program"]:
            expected = frozenset(Status(status) for status in entry.pop("expected"))
            programs.append(HostileProgram(group=path.stem, expected=expected, **entry))
    return programs
