"""Families over one integer: its digits, the steps down from it."""

from __future__ import annotations

from collections.abc import Iterator

from coda_eval.training.exercises.family import Family, Spelling, block
from coda_eval.training.exercises.reductions import accumulation
from coda_eval.training.exercises.terms import (
    COUNT,
    EVEN,
    LIST,
    MINUS,
    MULTIPLE,
    ODD,
    OVER,
    PLUS,
    PRODUCT,
    SIMPLE_MAPS,
    SMALL,
    SUM,
    TIMES,
    UNDER,
    constants,
    every,
)


def _digit_loop(how: Spelling, p: Spelling, f: Spelling) -> Iterator[str]:
    start, update, end = accumulation(how.word, f())
    yield block(
        f"$out = {start}", "while n > 0:", "    $x = n % 10", f"    if {p()}:", f"        {update}",
        "    n = n // 10", f"return {end}",
    )  # fmt: skip
    yield block(
        f"$out = {start}",
        "while n:",
        "    n, $x = divmod(n, 10)",
        f"    if {p()}:",
        f"        {update}",
        f"return {end}",
    )
    yield block(
        f"$out = {start}",
        "for $c in str(n):",
        "    $x = int($c)",
        f"    if {p()}:",
        f"        {update}",
        f"return {end}",
    )


DIGIT_LOOP = Family(
    name="digit_loop",
    parameters="n",
    entry_point="digits_{0}_{1}_{2}",
    # no 0: as a loop it has no digit, as a string it has one
    docstring="Return the {0} of the digits of n > 0 that are {1}, each {2}.",
    choices=every((SUM, PRODUCT), (EVEN, ODD, *OVER[:-1], *UNDER, *MULTIPLE), (*SIMPLE_MAPS, *PLUS, *MINUS, *TIMES)),
    structures=_digit_loop,
    probes=(
        "[candidate(n) for n in range(1, 10)]",
        "candidate(10)",
        "candidate(407)",
        "candidate(98765432)",
        "candidate(11335577)",
        "candidate(260418)",
    ),
)


def _descent(how: Spelling, step: Spelling, goes_on: Spelling) -> Iterator[str]:
    start, update, end = accumulation(how.word, "n")
    head = f"$out = {start}"
    down = f"    n = {step('n')}"
    yield block(head, f"while {goes_on('n')}:", f"    {update}", down, f"return {end}")
    yield block(head, "while True:", f"    if not {goes_on('n')}:", f"        return {end}", f"    {update}", down)
    yield block(
        head, "$x = n", f"while {goes_on()}:", f"    {accumulation(how.word, '$x').update}", f"    $x = {step()}",
        f"return {end}",
    )  # fmt: skip


DESCENT = Family(
    name="descent",
    parameters="n",
    entry_point="{0}_while_{2}_{1}",
    docstring="Return the {0} of n, n {1} and so on while it is {2}.",
    choices=every(
        (SUM, LIST, COUNT),
        (*MINUS, *constants(SMALL, "divided_#", "divided by #", "@ // #")),
        OVER,
    ),
    structures=_descent,
    probes=(
        "candidate(-4)",
        "candidate(0)",
        "candidate(40)",
        "candidate(99)",
        "candidate(730)",
        "[candidate(n) for n in range(1, 31)]",
    ),
)

INTEGERS = (DIGIT_LOOP, DESCENT)
