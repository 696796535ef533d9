"""What the pool does about sandboxes that die, and about timeouts, shown with scripted sandboxes."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable

import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.errors import EngineUnavailable, SandboxCrashed
from coda_eval.execution.channel import TESTS_MISSING, Reply
from coda_eval.execution.limits import Limits
from coda_eval.execution.payload import Payload
from coda_eval.execution.pool import CANARY, SandboxPool
from coda_eval.records import CheckTests, Program, Status

CONFIG = ExecutionConfig(timeout_s=3, memory_mb=64)
TESTS = CheckTests(code="f()")


def program(name: str, sample: int = 0) -> Program:
    """The source is the name: what a scripted sandbox knows a program by."""
    return Program(task_id=name, sample=sample, suite="base", source=name, entry_point="f", tests=TESTS)


def reply(status: str, *, recycle: str = "") -> Reply:
    return Reply(status=status, detail="", output="", cpu_s=0.1, wall_s=0.1, recycle=recycle)


class ScriptedChannel:
    """A sandbox that answers what a function of the source says."""

    runner = {"python": "3.11.2", "numpy": None}  # noqa: RUF012 - a stand-in for what a sandbox said once

    def __init__(self, answer: Callable[[str, Limits], Reply]) -> None:
        self._answer = answer
        self._under_way: deque[str] = deque()
        self.closed = False
        self.served = 0

    def send(self, source: str, entry_point: str, payload: Payload, limits: Limits) -> None:
        self._under_way.append(source)

    def receive(self, payload: Payload, limits: Limits) -> Reply:
        source = self._under_way.popleft()
        self.served += 1
        return reply("passed") if source == CANARY.source else self._answer(source, limits)

    def interrupt(self) -> None:
        """Nothing runs any more when these tests leave."""

    def close(self) -> None:
        self.closed = True


class Sandboxes:
    """Opens scripted sandboxes and remembers them."""

    def __init__(self, answer: Callable[[str, Limits], Reply]) -> None:
        self.answer = answer
        self.opened: list[ScriptedChannel] = []

    def __call__(self, number: int) -> ScriptedChannel:
        channel = ScriptedChannel(self.answer)
        self.opened.append(channel)
        return channel

    def pool(self, workers: int = 1) -> SandboxPool:
        return SandboxPool(self, config=CONFIG, workers=workers, description={}, close=lambda: None)  # type: ignore[arg-type]


def test_a_program_whose_sandbox_died_runs_again_in_a_fresh_one() -> None:
    """One death is the sandbox's trouble: the verdict is the second run's."""
    answers = iter([SandboxCrashed("gone"), reply("passed")])

    def answer(_: str, limits: Limits) -> Reply:
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

    def answer(source: str, limits: Limits) -> Reply:
        if source == "killer":
            raise SandboxCrashed("gone")
        return reply("failed")

    with Sandboxes(answer).pool() as pool:
        killer, other = pool.submit(program("killer")), pool.submit(program("other"))
        assert killer.result(timeout=10).status is Status.KILLED
        assert other.result(timeout=10).status is Status.FAILED


def test_trouble_of_the_sandbox_is_never_a_verdict() -> None:
    """`trouble` counts as a death."""
    answers = iter([reply("trouble"), reply("passed")])
    with Sandboxes(lambda *_: next(answers)).pool() as pool:
        assert pool.submit(program("p")).result(timeout=10).status is Status.PASSED


def test_a_timeout_is_confirmed_with_all_of_the_time() -> None:
    """The first run gets less; the second decides, and starts before programs that have not been taken."""
    seen: list[tuple[str, float]] = []

    def answer(source: str, limits: Limits) -> Reply:
        seen.append((source, limits.cpu_s))
        return reply("timeout" if source.startswith("slow") and limits.cpu_s < CONFIG.timeout_s else "passed")

    with Sandboxes(answer).pool(workers=1) as pool:
        names = ["slow 1", *(f"quick {index}" for index in range(50)), "slow 2"]
        futures = [pool.submit(program(name)) for name in names]
        assert all(future.result(timeout=10).status is Status.PASSED for future in futures)
    decided = [name for name, cpu_s in seen if cpu_s == CONFIG.timeout_s]
    assert decided == ["slow 1", "slow 2"]
    assert [name for name, cpu_s in seen if cpu_s < CONFIG.timeout_s] == names
    assert seen.index(("slow 1", 3.0)) < 25


def test_a_timeout_that_happens_twice_counts() -> None:
    """The verdict is a timeout with the times of the second run."""
    with Sandboxes(lambda *_: reply("timeout")).pool(workers=2) as pool:
        assert pool.submit(program("p")).result(timeout=10).status is Status.TIMEOUT


PLUS_TESTS = CheckTests(code="f(), f()")


@pytest.mark.parametrize(
    ("answers", "status", "borrowed"),
    [
        (["timeout", "timeout", "timeout"], Status.TIMEOUT, True),
        (["timeout", "passed", "passed"], Status.PASSED, False),
    ],
)
def test_a_timeout_under_another_suite_counts_where_base_timed_out(
    answers: list[str], status: Status, borrowed: bool
) -> None:
    """`plus` runs out of its first time; `base` is judged at once, and only where it passes is `plus` run again."""
    limits_s: list[float] = []

    def answer(source: str, limits: Limits) -> Reply:
        limits_s.append(limits.cpu_s)
        return reply(answers[len(limits_s) - 1])

    under_base = program("p")
    under_plus = dataclasses.replace(under_base, suite="plus", tests=PLUS_TESTS)
    with Sandboxes(answer).pool(workers=1) as pool:
        with pool._changed:  # both are there before the first is taken
            plus, base = pool.submit(under_plus), pool.submit(under_base)
        verdicts = [base.result(timeout=10), plus.result(timeout=10)]
    assert [verdict.status for verdict in verdicts] == [status, status]
    assert [verdict.detail.endswith("as under base") for verdict in verdicts] == [False, borrowed]
    first_s, again_s = Limits.of_checks(CONFIG, first=True).cpu_s, CONFIG.timeout_s
    assert limits_s == [first_s, first_s, again_s]


def test_equal_programs_run_once() -> None:
    """Each gets a verdict of its own, whether the first one has ended or not."""
    seen: list[str] = []

    def answer(source: str, limits: Limits) -> Reply:
        seen.append(source)
        return reply("failed")

    with Sandboxes(answer).pool() as pool:
        futures = [pool.submit(program("same", sample)) for sample in range(5)]
        assert [future.result(timeout=10).sample for future in futures] == list(range(5))
        late = pool.submit(program("same", 9)).result(timeout=10)
    assert (late.sample, late.status, seen) == (9, Status.FAILED, ["same"])


def test_tests_that_a_sandbox_has_lost_are_sent_again() -> None:
    """A tester that is gone costs another round trip, not a verdict."""
    answers = iter([reply(TESTS_MISSING), reply("passed")])
    with Sandboxes(lambda *_: next(answers)).pool() as pool:
        assert pool.submit(program("p")).result(timeout=10).status is Status.PASSED


def test_what_a_dead_sandbox_had_ahead_is_not_blamed() -> None:
    """Only the program that ran is suspect; those that waited behind it run elsewhere and keep their verdicts."""

    def answer(source: str, limits: Limits) -> Reply:
        if source == "killer":
            raise SandboxCrashed("gone")
        return reply("passed")

    with Sandboxes(answer).pool() as pool:
        futures = [pool.submit(program(name)) for name in ("killer", *(f"{index}" for index in range(30)))]
        statuses = [future.result(timeout=10).status for future in futures]
    assert statuses == [Status.KILLED, *[Status.PASSED] * 30]


def test_a_sandbox_that_asks_for_it_is_replaced() -> None:
    """The verdict stands, and the next program runs elsewhere."""
    sandboxes = Sandboxes(lambda *_: reply("passed", recycle="not clean"))
    with sandboxes.pool() as pool:
        assert pool.submit(program("p")).result(timeout=10).status is Status.PASSED
    assert len(sandboxes.opened) == 2


def test_when_no_sandbox_can_be_had_every_future_says_so() -> None:
    """The engine goes away in the middle: nobody waits for ever, and later programs are refused with the reason."""
    engine_is_there = True

    def answer(_: str, limits: Limits) -> Reply:
        nonlocal engine_is_there
        engine_is_there = False
        raise SandboxCrashed("gone")

    sandboxes = Sandboxes(answer)

    def open_channel(number: int) -> ScriptedChannel:
        if not engine_is_there:
            raise EngineUnavailable("no container engine answers")
        return sandboxes(number)

    with SandboxPool(open_channel, config=CONFIG, workers=1, description={}, close=lambda: None) as pool:  # type: ignore[arg-type]
        futures = [pool.submit(program(f"{index}")) for index in range(5)]
        for future in [*futures, pool.submit(program("late"))]:
            with pytest.raises(EngineUnavailable):
                future.result(timeout=10)


def test_a_pool_whose_sandboxes_fail_the_canary_does_not_open() -> None:
    """Scores are refused before the first program rather than made up."""

    class Broken(ScriptedChannel):
        def receive(self, payload: Payload, limits: Limits) -> Reply:
            return reply("failed")

    with (
        pytest.raises(SandboxCrashed, match="must pass"),
        SandboxPool(
            lambda _: Broken(lambda *_: reply("failed")),  # type: ignore[arg-type,return-value]
            config=CONFIG,
            workers=1,
            description={},
            close=lambda: None,
        ),
    ):
        pass
