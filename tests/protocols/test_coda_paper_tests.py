"""The tests of `coda-paper`, where they are not the benchmark's own."""

import dataclasses

import pytest
from protocols.own_problems import MBPP

from coda_eval.protocols.tests import coda_paper_tests
from coda_eval.records import CheckTests, InputOutputTests, Problem

PLUS = Problem(
    task_id="Own/0",
    prompt="def f(x):\n",
    entry_point="f",
    canonical_solution="    return x / 3 if x > 1 else f(x + 1)\n",
    suites={
        suite: InputOutputTests(inputs=inputs, reference="", atol=0.0)
        for suite, inputs in (("base", ((1,), (2,))), ("plus", ((2,), (float("inf"),))))
    },
)


def run(tests: CheckTests, candidate: object) -> None:
    """The tests as the sandbox's tester runs them, with the candidate in this process."""
    namespace: dict[str, object] = {}
    exec(tests.setup, namespace)
    namespace["f"] = candidate
    exec(tests.code, namespace)


def test_mbpp_is_three_asserts_without_setup() -> None:
    plus = dataclasses.replace(
        MBPP, suites={"base": CheckTests(code="", setup="import math"), "plus": MBPP.suites["base"]}
    )
    assert coda_paper_tests(plus) == {"base": CheckTests(code="\n".join(MBPP.examples[:3]))}


def test_what_asserts_name_must_be_in_the_program() -> None:
    """In that harness they run in its namespace: `math` only where the program imports it."""
    problem = dataclasses.replace(MBPP, examples=("assert math.isclose(total([1]), 1, rel_tol=0.1)",))
    assert coda_paper_tests(problem) == {
        "base": CheckTests(setup="import math\n", code=problem.examples[0], epilogue="\nmath")
    }


def test_helpers_of_the_prompt_must_be_in_the_program() -> None:
    """HumanEval/50 tests with `encode_shift`, which a sanitizer drops from programs that do not call it."""
    problem = dataclasses.replace(
        PLUS,
        suites={"base": CheckTests(setup="def h(x): ...\ndef g(x): ...\ndef f(x): ...", code="assert f(h(1)) == f(2)")},
    )
    tests = coda_paper_tests(problem)["base"]
    assert isinstance(tests, CheckTests)
    assert tests.epilogue == "\nh"


def test_humaneval_plus_runs_all_inputs_against_the_reference() -> None:
    """The candidate is compared with the reference, within 1e-6 for floats; the reference calls itself, not it."""
    suites = coda_paper_tests(PLUS)
    assert list(suites) == ["plus"]
    tests = suites["plus"]
    assert isinstance(tests, CheckTests)
    run(tests, lambda x: (x if x > 1 else 2) / 3 + 1e-9)
    with pytest.raises(AssertionError):
        run(tests, lambda x: x / 3)


def test_find_zero_fails_for_every_program() -> None:
    """The hub's test unpacks the answer, a float (HumanEval/32)."""
    find_zero = dataclasses.replace(
        PLUS, suites={name: dataclasses.replace(tests, oracle="find_zero") for name, tests in PLUS.suites.items()}
    )
    tests = coda_paper_tests(find_zero)["plus"]
    assert isinstance(tests, CheckTests)
    with pytest.raises(TypeError):
        run(tests, lambda x: 0.5)
