"""Problems written for these tests, one of each form, and the examples that a base model is shown."""

from coda_eval.records import CheckTests, Problem

HUMANEVAL = Problem(
    task_id="Own/0",
    prompt='from typing import List\n\n\ndef total(xs: List[int]) -> int:\n    """ Add all up.\n    >>> total([1, 2])\n'
    '    3\n    """\n',
    entry_point="total",
    canonical_solution="    return sum(xs)\n",
    suites={"base": CheckTests(code="assert total([1, 2]) == 3")},
)
MBPP = Problem(
    task_id="Mbpp/11",
    prompt='"""\nWrite a function to add all up.\nassert total([1, 2]) == 3\n"""\n',
    entry_point="total",
    canonical_solution="def total(xs):\n    return sum(xs)",
    suites={"base": CheckTests(code="assert total([1, 2]) == 3")},
    form="mbpp",
    description="Write a function to add all up.",
    examples=("assert total([1, 2]) == 3", "assert total([]) == 0", "assert total([5]) == 5", "assert total([6]) == 6"),
)
EXAMPLE = Problem(
    task_id="Mbpp/2",
    prompt="",
    entry_point="twice",
    canonical_solution="def twice(x):\r\n  return 2 * x ",
    suites={"base": CheckTests(code="assert twice(1) == 2")},
    form="mbpp",
    description="Write a function to double a number.",
    examples=("assert twice(1) == 2", "assert twice(2) == 4", "assert twice(3) == 6"),
)
