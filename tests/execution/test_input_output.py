"""Input/output tests, on every executor."""

from __future__ import annotations

from pathlib import Path

import pytest

from coda_eval.errors import TaskError
from coda_eval.execution import Executor
from coda_eval.execution.expected import ExpectedOutputs
from coda_eval.execution.payload import Answers, Payload
from coda_eval.records import InputOutputTests, Program, Status, Verdict

SQUARES = InputOutputTests(inputs=tuple((n,) for n in range(100)), reference="def f(x):\n    return x * x")


def judge(executor: Executor, source: str, tests: InputOutputTests = SQUARES) -> Verdict:
    program = Program(task_id="test/0", sample=0, suite="base", source=source, entry_point="f", tests=tests)
    return executor.submit(program).result(timeout=60)


@pytest.mark.parametrize(
    ("source", "status", "detail"),
    [
        ("def f(x):\n    return x ** 2", Status.PASSED, ""),
        ("def f(x):\n    return float(x * x)", Status.PASSED, ""),
        ("def f(x):\n    return 0", Status.FAILED, "wrong answer: f(1) returned 0, expected 1"),
        ("def f(x):\n    return x * x if x < 90 else None", Status.FAILED, "f(90) returned None, expected 8100"),
        ("def f(x):\n    return 1 // x", Status.FAILED, "ZeroDivisionError"),
        ("def f(x):\n    return iter([x])", Status.FAILED, "returned <list_iterator"),
        ("def f(x):\n    while x == 50: pass\n    return x * x", Status.TIMEOUT, "of CPU time for one input"),
        ("import os\ndef f(x):\n    os._exit(0)", Status.FAILED, "exited early"),
        ("def f(x", Status.SYNTAX_ERROR, "SyntaxError"),
        ("x = 1", Status.FAILED, "does not define the entry point"),
        (
            "class E(int):\n    def __eq__(self, o): return True\ndef f(x):\n    return E(7)",
            Status.FAILED,
            "returned 7",
        ),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, str) else None,
)
def test_outputs_decide(executor: Executor, source: str, status: Status, detail: str) -> None:
    """Up to the first input that is answered wrongly, which the detail names."""
    verdict = judge(executor, source)
    assert verdict.status is status, verdict
    assert detail in verdict.detail


def test_expected_outputs_are_not_in_the_programs_process(executor: Executor) -> None:
    """Nothing there holds the answer, nor the reference."""
    source = "import gc\ndef f(x):\n    return next(o for o in gc.get_objects() if type(o) is list and 9801 in o)"
    assert judge(executor, source).status is Status.FAILED


def test_types_arrive_as_the_benchmark_means_them(executor: Executor) -> None:
    """Tuples, sets and complex numbers on the way in, and on the way out."""
    value = ((1, 2), {3}, 4 + 5j, {"k": (6,)}, b"x", None, float("inf"), 1 << 70)
    tests = InputOutputTests(inputs=((value,),), reference="def f(x):\n    return x")
    assert (
        judge(
            executor, f"def f(x):\n    assert x == {value!r}".replace("inf", "float('inf')") + "\n    return x", tests
        ).status
        is Status.PASSED
    )


def test_a_program_may_change_its_arguments(executor: Executor) -> None:
    """Each input is a value of its own, for the program and for the reference."""
    shared = [3, 1, 2]
    tests = InputOutputTests(inputs=((shared,), (shared,)), reference="def f(x):\n    x.sort()\n    return list(x)")
    assert (
        judge(executor, "def f(x):\n    assert x == [3, 1, 2]\n    x.sort()\n    return x", tests).status
        is Status.PASSED
    )


def test_large_outputs_are_compared_without_being_sent(executor: Executor) -> None:
    """More than a reply may hold."""
    tests = InputOutputTests(inputs=((3_000_000,),), reference="def f(n):\n    return list(range(n))")
    assert judge(executor, "def f(n):\n    return [i for i in range(n)]", tests).status is Status.PASSED
    verdict = judge(executor, "def f(n):\n    return list(range(n - 1)) + [0]", tests)
    assert (verdict.status, "large output" in verdict.detail) == (Status.FAILED, True)


def test_no_inputs_ask_only_for_the_entry_point(executor: Executor) -> None:
    """As Mbpp/793 has it."""
    tests = InputOutputTests(inputs=(), reference="def f(x):\n    return x")
    assert judge(executor, "def f(x): return 1", tests).status is Status.PASSED
    assert judge(executor, "def g(x): return 1", tests).status is Status.FAILED


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        (InputOutputTests(inputs=((0,),), reference="def f(x):\n    return 1 / x"), "does not answer its own inputs"),
        (InputOutputTests(inputs=((0,),), reference="def f(x):\n    return object()"), "not plain data"),
        (InputOutputTests(inputs=((object(),),), reference="def f(x):\n    return x"), "not plain data"),
        (InputOutputTests(inputs=((0,),), reference="def f(x):\n    return x", oracle="no such"), "unknown oracle"),
    ],
)
def test_tests_that_are_broken_are_nobodys_failure(executor: Executor, tests: InputOutputTests, said: str) -> None:
    """A task error, which names what is wrong."""
    with pytest.raises(TaskError, match=said):
        judge(executor, "def f(x):\n    return x", tests)


def test_expected_outputs_are_found_again(tmp_path: Path) -> None:
    """By the reference, the inputs and the versions in the sandbox; a damaged entry counts as none."""
    kept = ExpectedOutputs(tmp_path)
    payload = Payload(name="inputs", content=b"", numpy=False)
    runner = {"python": "3.11.2", "numpy": None}
    name = kept.name("reference", payload, runner)
    answers = Answers(expected=["1", "[2]"], slowest_s=0.5, cpu_s=1.0)
    assert kept.read(name) is None
    kept.write(name, answers)
    assert kept.read(name) == answers
    assert kept.name("reference", payload, {**runner, "python": "3.12.0"}) != name
    (tmp_path / f"{name}.json.gz").write_bytes(b"torn")
    assert kept.read(name) is None


def test_a_directory_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    """A file lies where the directory should be."""
    (tmp_path / "file").write_text("")
    kept = ExpectedOutputs(tmp_path / "file")
    kept.write("name", Answers(expected=[], slowest_s=0, cpu_s=0))
    assert kept.read("name") is None
