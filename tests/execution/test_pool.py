"""What the pool does about sandboxes that die, and about timeouts, shown with scripted sandboxes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from coda_eval.errors import EngineUnavailable, SandboxCrashed
from coda_eval.execution.channel import Limits, Reply
from coda_eval.execution.pool import CANARY, SandboxPool
from coda_eval.records import CheckTests, Program, Status

LIMITS = Limits(cpu_s=1, wall_s=10, memory_mb=64)


def program(name: str) -> Program:
    return Program(task_id=name, sample=0, suite="base", source="pass", entry_point="f", tests=CheckTests(code="f()"))


def reply(status: str, *, recycle: str = "") -> Reply:
    return Reply(status=status, detail="", cpu_s=0.1, wall_s=0.1, recycle=recycle)


class ScriptedChannel:
    """A sandbox that answers what a function says."""

    runner = {"python": "3.11.2", "numpy": None}  # noqa: RUF012 - a stand-in for what a sandbox said once

    def __init__(self, answer: Callable[[Program], Reply]) -> None:
        self._answer = answer
        self.closed = False

    def run(self, program: Program, limits: Limits) -> Reply:
        return reply("passed") if program is CANARY else self._answer(program)

    def interrupt(self) -> None:
        """Nothing runs any more when these tests leave."""

    def close(self) -> None:
        self.closed = True


class Sandboxes:
    """Opens scripted sandboxes and remembers them."""

    def __init__(self, answer: Callable[[Program], Reply]) -> None:
        self.answer = answer
        self.opened: list[ScriptedChannel] = []

    def __call__(self) -> ScriptedChannel:
        channel = ScriptedChannel(self.answer)
        self.opened.append(channel)
        return channel

    def pool(self, workers: int = 1) -> SandboxPool:
        return SandboxPool(self, limits=LIMITS, workers=workers, description={}, close=lambda: None)  # type: ignore[arg-type]


def test_a_program_whose_sandbox_died_runs_again_in_a_fresh_one() -> None:
    """One death is the sandbox's trouble: the verdict is the second run's."""
    answers = iter([SandboxCrashed("gone"), reply("passed")])

    def answer(_: Program) -> Reply:
        outcome = next(answers)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    sandboxes = Sandboxes(answer)
    with sandboxes.pool() as pool:
        assert pool.submit(program("p")).result(timeout=10).status is Status.PASSED
    assert len(sandboxes.opened) == 2
    assert all(channel.closed for channel in sandboxes.opened)


def test_a_program_that_kills_two_sandboxes_is_killed() -> None:
    """Where another program still passes, the deaths are this program's doing; the next one is judged."""

    def answer(program: Program) -> Reply:
        if program.task_id == "killer":
            raise SandboxCrashed("gone")
        return reply("failed")

    with Sandboxes(answer).pool() as pool:
        killer, other = pool.submit(program("killer")), pool.submit(program("other"))
        assert killer.result(timeout=10).status is Status.KILLED
        assert other.result(timeout=10).status is Status.FAILED


def test_trouble_of_the_sandbox_is_never_a_verdict() -> None:
    """`trouble` counts as a death."""
    answers = iter([reply("trouble"), reply("passed")])
    with Sandboxes(lambda _: next(answers)).pool() as pool:
        assert pool.submit(program("p")).result(timeout=10).status is Status.PASSED


def test_a_timeout_is_confirmed_while_nothing_else_runs() -> None:
    """The second run decides, and it starts after every other program has ended."""
    lock, running, seen = threading.Lock(), set[str](), list[tuple[str, frozenset[str]]]()

    def answer(program: Program) -> Reply:
        with lock:
            running.add(program.task_id)
            seen.append((program.task_id, frozenset(running)))
            again = [name for name, _ in seen].count(program.task_id) > 1
        outcome = "passed" if again or not program.task_id.startswith("slow") else "timeout"
        with lock:
            running.discard(program.task_id)
        return reply(outcome)

    with Sandboxes(answer).pool(workers=3) as pool:
        names = ["slow 1", *(f"quick {index}" for index in range(20)), "slow 2"]
        futures = [pool.submit(program(name)) for name in names]
        assert all(future.result(timeout=10).status is Status.PASSED for future in futures)
    confirmations = seen[len(names) :]
    assert [name for name, _ in confirmations] == ["slow 1", "slow 2"]
    assert all(others == {name} for name, others in confirmations)


def test_a_timeout_that_happens_twice_counts() -> None:
    """The verdict is a timeout with the times of the second run."""
    with Sandboxes(lambda _: reply("timeout")).pool(workers=2) as pool:
        assert pool.submit(program("p")).result(timeout=10).status is Status.TIMEOUT


def test_a_sandbox_that_asks_for_it_is_replaced() -> None:
    """The verdict stands, and the next program runs elsewhere."""
    sandboxes = Sandboxes(lambda _: reply("passed", recycle="not clean"))
    with sandboxes.pool() as pool:
        assert pool.submit(program("p")).result(timeout=10).status is Status.PASSED
    assert len(sandboxes.opened) == 2


def test_when_no_sandbox_can_be_had_every_future_says_so() -> None:
    """The engine goes away in the middle: nobody waits for ever, and later programs are refused with the reason."""
    engine_is_there = True

    def answer(_: Program) -> Reply:
        nonlocal engine_is_there
        engine_is_there = False
        raise SandboxCrashed("gone")

    sandboxes = Sandboxes(answer)

    def open_channel() -> ScriptedChannel:
        if not engine_is_there:
            raise EngineUnavailable("no container engine answers")
        return sandboxes()

    with SandboxPool(open_channel, limits=LIMITS, workers=1, description={}, close=lambda: None) as pool:  # type: ignore[arg-type]
        futures = [pool.submit(program(f"{index}")) for index in range(5)]
        for future in [*futures, pool.submit(program("late"))]:
            with pytest.raises(EngineUnavailable):
                future.result(timeout=10)


def test_a_pool_whose_sandboxes_fail_the_canary_does_not_open() -> None:
    """Scores are refused before the first program rather than made up."""

    class Broken(ScriptedChannel):
        def run(self, program: Program, limits: Limits) -> Reply:
            return reply("failed")

    with (
        pytest.raises(SandboxCrashed, match="must pass"),
        SandboxPool(
            lambda: Broken(lambda _: reply("failed")),  # type: ignore[arg-type,return-value]
            limits=LIMITS,
            workers=1,
            description={},
            close=lambda: None,
        ),
    ):
        pass
