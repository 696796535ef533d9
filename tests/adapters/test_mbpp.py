"""Rows in MBPP's form, and in that of MBPP+ and HumanEval+."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from coda_eval.adapters.mbpp import mbpp_problem, mbpp_split
from coda_eval.adapters.plus import MBPP_ORACLES, humaneval_plus_problem, mbpp_asserts, mbpp_plus_problem
from coda_eval.errors import TaskError
from coda_eval.records import CheckTests, InputOutputTests

ROW = {
    "task_id": 11,
    "text": "Write a function to add all up.",
    "code": "import math\ndef half(x):\n    return x / 2\ndef total(xs):\n    return sum(xs)",
    "test_list": ["assert set([total([1, 2])]) == {3}", "assert total([]) == 0"],
    "test_setup_code": "",
}
PLUS_ROW = {
    "task_id": "Mbpp/2",
    "prompt": '"""\nWrite a function to add all up.\nassert total([1, 2]) == 3\n"""\n',
    "entry_point": "total",
    "canonical_solution": "\ndef total(xs):\n    return sum(xs)\n",
    "base_input": [[[1, 2], [3, 4]]],
    "plus_input": [[[], []]],
    "assertion": "\nassert total([1, 2]) == 3\nassert total([]) == 0\n",
    "atol": 0,
}


def test_a_row_is_posed_in_words_and_judged_by_its_asserts() -> None:
    problem = mbpp_problem(ROW)
    assert (problem.task_id, problem.form, problem.prompt, problem.entry_point) == ("Mbpp/11", "mbpp", "", "total")
    assert problem.description == ROW["text"]
    assert problem.examples == tuple(ROW["test_list"])
    assert problem.suites == {"base": CheckTests(code="\n".join(ROW["test_list"]))}
    assert problem.metadata == {"mbpp_split": "test"}


def test_a_sanitized_row_calls_its_text_prompt_and_has_imports() -> None:
    row = {**ROW, "prompt": ROW["text"], "test_imports": ["import math"]}
    del row["text"], row["test_setup_code"]
    problem = mbpp_problem(row)
    assert problem.description == ROW["text"]
    assert problem.suites["base"] == CheckTests(setup="import math", code="\n".join(ROW["test_list"]))


def test_setup_code_runs_after_the_program_where_its_classes_are() -> None:
    """Mbpp/367: `root = Node(1)`; the objects stay there, the tests name them. A program may call itself."""
    row = {
        **ROW,
        "code": "class Node: pass\ndef depth(n):\n    return 0 if n is None else 1 + depth(n.next)",
        "test_list": ["assert depth(root) == 2"],
        "test_setup_code": "root = Node()\r\nroot.next = Node()\r\nroot.next.next = None",
    }
    problem = mbpp_problem(row)
    tests = problem.suites["base"]
    assert isinstance(tests, CheckTests)
    assert tests.code == "assert depth('root') == 2"
    program: dict[str, object] = {}
    exec(f"{problem.canonical_solution}\n{tests.epilogue}", program)
    exec(tests.code, {"depth": program["depth"]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task_id": "11"}, "`task_id` is of type str; expected int"),
        ({"test_list": "assert 1"}, "`test_list` is of type str; expected list"),
        ({"test_list": [1]}, "`test_list` holds something that is not a string"),
        ({"code": "def ("}, "`code` is not Python"),
        ({"test_list": ["assert other(1)"]}, r"`test_list` calls none of the functions .*\(half, total\)"),
    ],
)
def test_a_damaged_row_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        mbpp_problem({**ROW, **change})


def test_splits_are_those_of_the_paper() -> None:
    assert [mbpp_split(n) for n in (1, 10, 11, 510, 511, 600, 601, 974)] == [
        "prompt", "prompt", "test", "test", "validation", "validation", "train", "train",
    ]  # fmt: skip


def test_a_plus_row_has_two_suites_of_typed_inputs() -> None:
    """Mbpp/2 takes tuples; the reference is what evalplus runs: the prompt and the canonical solution."""
    problem = mbpp_plus_problem(PLUS_ROW)
    reference = str(PLUS_ROW["prompt"]) + str(PLUS_ROW["canonical_solution"])
    assert problem.suites == {
        "base": InputOutputTests(inputs=(((1, 2), (3, 4)),), reference=reference),
        "plus": InputOutputTests(inputs=(((), ()),), reference=reference),
    }
    assert problem.description == "Write a function to add all up."
    assert problem.examples == ("assert total([1, 2]) == 3", "assert total([]) == 0")
    assert problem.metadata == {"mbpp_split": "prompt", "solution_length": "one line"}


def test_oracles_go_by_the_entry_point() -> None:
    def oracle(entry_point: str, read=mbpp_plus_problem) -> str:  # type: ignore[no-untyped-def]
        tests = read({**PLUS_ROW, "entry_point": entry_point, "atol": 1e-4}).suites["plus"]
        assert tests.atol == 1e-4
        return str(tests.oracle)

    assert (oracle("total"), oracle("Diff"), oracle("check_str")) == ("close", "set", "not_none")
    assert oracle("find_zero") == "close"
    assert oracle("find_zero", humaneval_plus_problem) == "find_zero"


def test_oracles_are_those_that_evalplus_names() -> None:
    from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS, MBPP_OUTPUT_SET_EQ_TASKS

    assert {name for name, oracle in MBPP_ORACLES.items() if oracle == "set"} == set(MBPP_OUTPUT_SET_EQ_TASKS)
    assert {name for name, oracle in MBPP_ORACLES.items() if oracle == "not_none"} == set(MBPP_OUTPUT_NOT_NONE_TASKS)


@pytest.mark.parametrize(
    ("shown", "assertion", "second"),
    [
        pytest.param(
            "assert f(2) == 1",
            "import math\n\nassert f(1) == 0\nassert f(2) == 1\nassert f(3) == 2",
            "assert f(3) == 2",
            id="another one in front",
        ),
        pytest.param(
            "assert set(f(2)) == set((1, 2))",
            "assert f(2) == (1, 2)\nassert f(3) == set([3])",
            "assert set(f(3)) == set([3])",
            id="sets",
        ),
        pytest.param(
            "assert f(2)==1.5",
            "assert math.isclose(f(2), 1.5, rel_tol=0.001)\nassert math.isclose(f( 3 ), 2, rel_tol=0.001)",
            "assert f( 3 )==2",
            id="closeness",
        ),
    ],
)
def test_asserts_are_those_of_the_prompts_form(shown: str, assertion: str, second: str) -> None:
    assert mbpp_asserts(shown, assertion, "f") == (shown, second)


def test_inputs_are_those_of_evalplus_itself(shared: Path) -> None:
    """Every problem of both benchmarks, compared as text, in which NaN equals itself."""
    from evalplus.data.mbpp import mbpp_deserialize_inputs

    for file, read, restore in (
        ("HumanEvalPlus-v0.1.10.jsonl.gz", humaneval_plus_problem, lambda task_id, inputs: inputs),
        ("MbppPlus-v0.2.0.jsonl.gz", mbpp_plus_problem, mbpp_deserialize_inputs),
    ):
        for line in gzip.decompress((shared / "data" / "benchmarks" / file).read_bytes()).splitlines():
            row = json.loads(line)
            problem = read(row)
            for suite in ("base", "plus"):
                tests = problem.suites[suite]
                assert isinstance(tests, InputOutputTests)
                theirs = [list(arguments) for arguments in restore(row["task_id"], row[f"{suite}_input"])]
                assert repr([list(arguments) for arguments in tests.inputs]) == repr(theirs), problem.task_id
