"""Rows in EvalPlus' form: inputs, and a canonical solution that says what is right.

`humaneval_plus_problem` reads HumanEvalPlus, `mbpp_plus_problem` MbppPlus. Both suites follow evalplus 0.3.1
(eval/__init__.py, data/mbpp.py, gen/util/__init__.py): the `plus` suite holds the added inputs only.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from coda_eval.adapters.fields import parse, take
from coda_eval.adapters.mbpp import mbpp_split
from coda_eval.errors import TaskError
from coda_eval.records import InputOutputTests, Problem, Tests

MBPP_ORACLES = {
    **dict.fromkeys(
        (
            "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
            "intersection_array", "find_dissimilar", "Diff",
        ),
        "set",
    ),
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), "not_none"),
    **{name: name for name in ("are_equivalent", "sum_div", "surface_Area", "digit_distance_nums")},
}  # fmt: skip
"""By entry point, where it is not `close` (evalplus eval/_special_oracle.py and eval/__init__.py:150-185)."""


def humaneval_plus_problem(row: Mapping[str, object]) -> Problem:
    """A function to complete, judged by base and plus inputs.

    Raises:
        TaskError: a field is missing or of the wrong kind.
    """
    entry_point = take(row, "entry_point", str)
    oracle = "find_zero" if entry_point == "find_zero" else "close"
    return Problem(
        task_id=take(row, "task_id", str),
        prompt=take(row, "prompt", str),
        entry_point=entry_point,
        canonical_solution=take(row, "canonical_solution", str),
        suites=_suites(row, take(row, "base_input", list), take(row, "plus_input", list), oracle),
    )


def mbpp_plus_problem(row: Mapping[str, object]) -> Problem:
    """A description with one assert, as a docstring, judged by base and plus inputs.

    Raises:
        TaskError: a field is missing or of the wrong kind.
    """
    task_id = take(row, "task_id", str)
    prefix, _, number = task_id.partition("/")
    if prefix != "Mbpp" or not number.isdigit():
        raise TaskError(f"`task_id` is {task_id!r}; expected Mbpp/ and a number")
    prompt = take(row, "prompt", str)
    entry_point = take(row, "entry_point", str)
    solution = take(row, "canonical_solution", str)
    *words, shown = prompt.strip().strip('"').strip().split("\n")
    base, plus = (_restore_types(task_id, take(row, name, list, dict)) for name in ("base_input", "plus_input"))
    return Problem(
        task_id=task_id,
        prompt=prompt,
        entry_point=entry_point,
        canonical_solution=solution,
        suites=_suites(row, base, plus, MBPP_ORACLES.get(entry_point, "close")),
        form="mbpp",
        description="\n".join(words),
        examples=mbpp_asserts(shown, take(row, "assertion", str), entry_point),
        metadata={"mbpp_split": mbpp_split(int(number)), "solution_length": _length(solution)},
    )


def _restore_types(task_id: str, inputs: Any) -> list[Any]:
    """The inputs with the tuples, sets and complex numbers that JSON cannot say. Mbpp/793 has `{}` for none."""
    from evalplus.data.mbpp import mbpp_deserialize_inputs  # not above: it loads pandas

    return list(mbpp_deserialize_inputs(task_id, inputs))


def _suites(row: Mapping[str, object], base: list[Any], plus: list[Any], oracle: str) -> dict[str, Tests]:
    reference = take(row, "prompt", str) + take(row, "canonical_solution", str)
    atol = float(take(row, "atol", int, float))
    return {
        suite: InputOutputTests(
            inputs=tuple(map(tuple, inputs)),
            reference=reference,
            oracle=oracle,
            atol=atol,
        )
        for suite, inputs in (("base", base), ("plus", plus))
    }


def mbpp_asserts(shown: str, assertion: str, entry_point: str) -> tuple[str, ...]:
    """The asserts of the sanitized MBPP, which the hub's evalplus/mbppplus has as `test_list`.

    EvalPlus' file has them as `assertion`, changed in eight problems: three have another one in front (Mbpp/3, 162,
    780), two lack the `set` around both sides (2, 140), three compare with `math.isclose` (120, 293, 742). The one
    assert of the prompt is unchanged and tells which it is.
    """
    asserts = [line for line in assertion.split("\n") if line.startswith("assert ")]
    same = [number for number, line in enumerate(asserts) if _tree(line) == _tree(shown)]
    if same:
        return (shown, *asserts[same[0] + 1 :])
    return (shown, *(_reworded(line, like=shown, entry_point=entry_point) for line in asserts[1:]))


def _reworded(line: str, *, like: str, entry_point: str) -> str:
    statement = parse("assertion", line).body[0]
    assert isinstance(statement, ast.Assert)
    test = statement.test
    left, right = (test.left, test.comparators[0]) if isinstance(test, ast.Compare) else test.args[:2]  # type: ignore[attr-defined]
    call, value = (ast.get_source_segment(line, side) or "" for side in (left, right))
    if like.startswith(f"assert set({entry_point}("):
        return f"assert set({call}) == {value if value.startswith('set(') else f'set({value})'}"
    return f"assert {call}=={value}"


def _tree(line: str) -> str:
    return ast.dump(parse("assertion` or the assert of `prompt", line.strip()))


def _length(solution: str) -> str:
    """How long the body of the canonical solution is: the one hint of difficulty that the data give.

    Of the 378 problems 222 take one line and 84 two to four.
    """
    body = [line for line in solution.split("\n") if line.strip() and not line.startswith(("def ", "import ", "from "))]
    if len(body) <= 1:
        return "one line"
    return "two to four lines" if len(body) <= 4 else "five lines or more"
