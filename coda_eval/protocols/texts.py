"""The prompts, byte for byte. Every function takes a problem and the examples that a base model is shown."""

from __future__ import annotations

from collections.abc import Sequence

from coda_eval.protocols.asking import Prompt
from coda_eval.records import Problem

_EVALPLUS_INSTRUCTION = (
    "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
)
_EVALPLUS_RESPONSE = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
)
_OPENED_FENCE = "Here is the completed function:\n```python\n"


def as_given(problem: Problem, examples: Sequence[Problem]) -> Prompt:
    """The prompt of the data."""
    return Prompt(problem.prompt)


def complete_function(problem: Problem, examples: Sequence[Problem]) -> Prompt:
    """humaneval_instruct of lm-eval: the fence of the user's turn is not closed there either."""
    return Prompt(
        f"Write a solution to the following problem and make sure that it passes the tests:\n```{problem.prompt}",
        prefill=f"{_OPENED_FENCE}{problem.prompt}\n",
    )


def mbpp_few_shot(problem: Problem, examples: Sequence[Problem]) -> Prompt:
    """Austin et al. 2021, section 3.1, in lm-eval's words. A problem is not among its own examples."""
    shots = [
        f"{_expert(example)}\n[BEGIN]\n{example.canonical_solution}\n[DONE]\n\n"
        for example in examples
        if example.task_id != problem.task_id
    ]
    return Prompt(f"{''.join(shots)}{_expert(problem)}\n[BEGIN]\n")


def mbpp_answer(problem: Problem, examples: Sequence[Problem]) -> Prompt:
    """mbpp_instruct of lm-eval, as in CoDA's harness."""
    return Prompt(_expert(problem), prefill=_OPENED_FENCE)


def evalplus_base(problem: Problem, examples: Sequence[Problem]) -> Prompt:
    """Evalplus 0.3.1, codegen.py:77."""
    return Prompt(f"{problem.prompt.strip()}\n")


def evalplus_instruct(problem: Problem, examples: Sequence[Problem]) -> Prompt:
    """Evalplus 0.3.1, provider/utility.py:24-57 with the texts of codegen.py:176-177."""
    return Prompt(
        f"{_EVALPLUS_INSTRUCTION}\n```\n{problem.prompt.strip()}\n```\n", prefill=f"{_EVALPLUS_RESPONSE}\n```python\n"
    )


def _expert(problem: Problem) -> str:
    tests = "\n".join(problem.examples[:3])
    return (
        f"You are an expert Python programmer, and here is your task: {problem.description} "
        f"Your code should pass these tests:\n\n{tests}"
    )
