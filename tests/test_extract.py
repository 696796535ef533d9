"""From a completion to a program."""

from hypothesis import given
from hypothesis import strategies as st

from coda_eval.extract import EXTRACTORS, continue_prompt, cut_at_stop
from coda_eval.protocols import PROTOCOLS
from coda_eval.records import CheckTests, Problem

STOPS = PROTOCOLS["human-eval"].stop_strings
PROBLEM = Problem(
    task_id="t/0",
    prompt='def f(x):\n    """Double x."""\n',
    entry_point="f",
    canonical_solution="    return 2 * x\n",
    suites={"base": CheckTests(code="def check(candidate):\n    assert candidate(2) == 4\ncheck(f)")},
)


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
    program = continue_prompt(PROBLEM, "    return 2 * x\n\n\nprint(f(1))\n", STOPS)
    assert program == PROBLEM.prompt + "    return 2 * x\n\n"


def test_an_empty_completion_is_the_bare_prompt_as_in_human_eval() -> None:
    assert continue_prompt(PROBLEM, "", STOPS) == PROBLEM.prompt


def test_crlf_nul_and_lone_surrogates_are_passed_on() -> None:
    completion = "    return 'a\x00\ud800'\r\n"
    assert continue_prompt(PROBLEM, completion, STOPS) == PROBLEM.prompt + completion


def test_every_protocol_names_an_extractor_that_is_there() -> None:
    assert {protocol.extractor for protocol in PROTOCOLS.values()} <= EXTRACTORS.keys()
