"""The tests of `coda-paper`, where CoDA's released harness does not run the benchmark's own."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import sys
import warnings

from coda_eval.records import CheckTests, InputOutputTests, Problem, Tests

_HUB_CHECK = """\
import copy
import numpy as np

def is_floats(x):
    if isinstance(x, float):
        return True
    if isinstance(x, (list, tuple)) and x:
        return all(isinstance(i, float) for i in x)
    return False

def check(candidate):
    for inp in _inputs:
        exp = _reference(*copy.deepcopy(inp))
        out = candidate(*inp)
        exact = out == exp
        atol = 1e-6 if _atol == 0 and is_floats(exp) else _atol
        if not exact and atol != 0:
            np.testing.assert_allclose(out, exp, rtol=1e-07, atol=atol)
        else:
            assert exact
"""
"""What the `test` field of the hub's evalplus/humanevalplus does (evalplus tools/humaneval/to_original_fmt.py), with
the reference in the place of its answers written out."""


def coda_paper_tests(problem: Problem) -> dict[str, Tests]:
    """The tests of a problem as CoDA's harness runs them.

    humaneval       its own; helpers of the prompt that the tests call must be in the program
    humaneval-plus  the hub's `test` field, in which HumanEval/32 fails for every program
    mbpp            the three asserts, without the setup code (so that Mbpp/367 cannot pass)
    mbpp-plus       the first three base asserts, without their imports; no plus input at all
    """
    tests = next(iter(problem.suites.values()))
    if problem.form == "mbpp":
        return {"base": _bare_asserts(problem)}
    if isinstance(tests, InputOutputTests):
        return {"plus": _hub_tests(problem)}
    return {"base": dataclasses.replace(tests, epilogue=_helpers(problem, tests))}


def _bare_asserts(problem: Problem) -> CheckTests:
    """They run after the program and in its namespace: what they name beside the entry point it has to have.

    `math` passes where the program imports it for itself, `root` (Mbpp/367) nowhere.
    """
    code = "\n".join(problem.examples[:3])
    named = {node.id for node in ast.walk(_parse(code)) if isinstance(node, ast.Name)}
    needed = sorted(named - {problem.entry_point} - set(dir(builtins)))
    return CheckTests(
        setup="".join(f"import {name}\n" for name in needed if name in sys.stdlib_module_names),
        code=code,
        epilogue="".join(f"\n{name}" for name in needed),
    )


def _helpers(problem: Problem, tests: CheckTests) -> str:
    """Names that the prompt defines and the tests call: a program whose sanitizer dropped one fails in that harness."""
    defined = {node.name for node in _parse(tests.setup).body if isinstance(node, ast.FunctionDef)}
    called = {node.id for node in ast.walk(_parse(tests.code)) if isinstance(node, ast.Name)}
    helpers = sorted((defined & called) - {problem.entry_point, "check"})
    return "".join(f"\n{name}" for name in helpers)


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings(action="ignore"):  # of odd escapes in strings
        return ast.parse(source)


def _hub_tests(problem: Problem) -> CheckTests:
    base, plus = (tests for tests in problem.suites.values() if isinstance(tests, InputOutputTests))
    call = f"check({problem.entry_point})"
    if base.oracle == "find_zero":
        # `_poly(*candidate(*inp), inp)`: the arguments are the wrong way round, and a float cannot be unpacked.
        call = f"[*{problem.entry_point}(*_inputs[0])]"
    inputs = list({repr(arguments): arguments for arguments in (*base.inputs, *plus.inputs)}.values())
    source = problem.prompt + problem.canonical_solution
    return CheckTests(
        # In a namespace of its own: a reference that calls itself must not call the program.
        setup=f"_space = {{}}\nexec({source!r}, _space)\n_reference = _space[{problem.entry_point!r}]\n"
        f"_atol = {base.atol!r}\nfrom math import inf, nan\n_inputs = {inputs!r}\n",
        code=f"{_HUB_CHECK}\n{call}",
    )
