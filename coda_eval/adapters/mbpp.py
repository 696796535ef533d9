"""Rows in MBPP's form: `task_id`, `text` (or `prompt`), `code`, `test_list`, and what must run before the tests."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from coda_eval.adapters.fields import parse, take, take_texts
from coda_eval.errors import TaskError
from coda_eval.records import CheckTests, Problem


def mbpp_problem(row: Mapping[str, object]) -> Problem:
    """The problem of a row of the full or of the sanitized set (which calls the text `prompt`, and lists imports).

    Raises:
        TaskError: a field is missing or of the wrong kind, or the asserts call nothing that the code defines.
    """
    number = take(row, "task_id", int)
    code = take(row, "code", str)
    asserts = take_texts(row, "test_list")
    entry_point = _entry_point(code, asserts)
    setup, code_of_tests, epilogue = "", "\n".join(asserts), ""
    if "test_imports" in row:
        setup = "\n".join(take_texts(row, "test_imports"))
    if row.get("test_setup_code"):
        # It builds objects of classes that the program defines (`root = Node(1)`, Mbpp/367), so it has to run there.
        epilogue, code_of_tests = _calls_by_name(take(row, "test_setup_code", str), entry_point, asserts)
    return Problem(
        task_id=f"Mbpp/{number}",
        prompt="",
        entry_point=entry_point,
        canonical_solution=code,
        suites={"base": CheckTests(setup=setup, code=code_of_tests, epilogue=epilogue)},
        form="mbpp",
        description=take(row, "text" if "text" in row else "prompt", str),
        examples=asserts,
        metadata={"mbpp_split": mbpp_split(number)},
    )


def mbpp_split(number: int) -> str:
    """The part of the full set that a problem is in (Austin et al. 2021, arXiv:2108.07732, section 2.1)."""
    for last, split in ((10, "prompt"), (510, "test"), (600, "validation")):
        if number <= last:
            return split
    return "train"


def _entry_point(code: str, asserts: tuple[str, ...]) -> str:
    """The function that the asserts call, of those that the code defines."""
    defined = {node.name for node in parse("code", code).body if isinstance(node, ast.FunctionDef)}
    tests = parse("test_list", "\n".join(asserts))
    calls = [node.func for node in ast.walk(tests) if isinstance(node, ast.Call)]
    for function in calls:
        if isinstance(function, ast.Name) and function.id in defined:
            return function.id
    raise TaskError(f"`test_list` calls none of the functions that `code` defines ({', '.join(sorted(defined))})")


def _calls_by_name(setup: str, entry_point: str, asserts: tuple[str, ...]) -> tuple[str, str]:
    """The end of the program, in which the entry point takes names of objects, and asserts that pass those names."""
    epilogue = (
        f"\n{setup}\n_given = {entry_point}\n\ndef {entry_point}(*given):\n"
        # A program that calls itself comes by here with objects.
        "    return _given(*(globals()[name] if isinstance(name, str) else name for name in given))\n"
    )
    tree = parse("test_list", "\n".join(asserts))
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == entry_point:
            call.args = [
                ast.Constant(argument.id) if isinstance(argument, ast.Name) else argument for argument in call.args
            ]
    return epilogue, ast.unparse(tree)
