"""Families that build or filter a dict, sort a list by a key, or go through the rows of a matrix."""

from __future__ import annotations

from collections.abc import Iterator

from coda_eval.training.exercises.family import Family, Spelling, Term, block
from coda_eval.training.exercises.reductions import accumulation, expression, reduction
from coda_eval.training.exercises.terms import (
    LIST,
    MAPS,
    MAX,
    MIN,
    PREDICATES,
    SIMPLE_MAPS,
    SMALL,
    SUM,
    TIMES,
    constants,
    every,
)

_LISTS = (
    "candidate([])",
    "candidate([3, 8, -2, 8, 5, 0])",
    "candidate([-4, -9, 12, 7, 7, 2, 6])",
    "candidate([9, 4, -1, 10, 3, -6, 5, 21])",
    "candidate(list(range(-10, 25)))",
    "candidate(list(range(30, -30, -3)))",
)


def _dict_build(p: Spelling, f: Spelling) -> Iterator[str]:
    yield block(f"return {{$x: {f()} for $x in xs if {p()}}}")
    yield block("$out = {}", "for $x in xs:", f"    if {p()}:", f"        $out[$x] = {f()}", "return $out")
    yield block(f"return dict(($x, {f()}) for $x in xs if {p()})")


DICT_BUILD = Family(
    name="dict_build",
    parameters="xs",
    entry_point="dict_{0}_to_{1}",
    docstring="Return a dict from each number in xs that is {0} to that number {1}.",
    choices=every(PREDICATES, MAPS),
    structures=_dict_build,
    probes=_LISTS,
)


def _dict_filter(what: Spelling, p: Spelling, f: Spelling) -> Iterator[str]:
    if what.word == "dict":
        yield block(f"return {{$key: {f('$y')} for $key, $y in d.items() if {p('$y')}}}")
        yield block(
            "$out = {}",
            "for $key, $y in d.items():",
            f"    if {p('$y')}:",
            f"        $out[$key] = {f('$y')}",
            "return $out",
        )
        yield block(f"return dict(($key, {f('$y')}) for $key, $y in d.items() if {p('$y')})")
    else:
        yield from reduction(what.word, "for $y in d.values()", f("$y"), p("$y"))


DICT_FILTER = Family(
    name="dict_filter",
    parameters="d",
    entry_point="values_{0}_{1}_{2}",
    docstring="Return the {0} of the values of d that are {1}, each {2}.",
    choices=every((Term("dict", "dict"), SUM, MAX, LIST), PREDICATES, (*SIMPLE_MAPS, *TIMES)),
    structures=_dict_filter,
    probes=(
        "candidate({})",
        "candidate({'a': 3, 'b': 8, 'c': -2, 'd': 8, 'e': 0})",
        "candidate({'x': -4, 'y': -9, 'z': 12, 'k': 7})",
        "candidate({str(x): x for x in range(-10, 25)})",
        "candidate({'q': 5, 'b': 5, 'a': 6})",
        "[candidate({'k': x}) for x in range(-10, 25)]",
    ),
)

# The keys that numbers are grouped or sorted by.
_KEYS = (
    *constants(SMALL, "remainder_#", "remainder by #", "@ % #"),
    *constants(SMALL, "quotient_#", "quotient by #", "@ // #"),
    *constants(SMALL, "distance_#", "distance from #", "abs(@ - #)", "abs(# - @)"),
    Term("size", "absolute value", ("abs(@)",)),
    Term("square", "square", ("@ * @", "@ ** 2")),
)


def _group(p: Spelling, key: Spelling) -> Iterator[str]:
    head = ("$out = {}", "for $x in xs:", f"    if {p()}:")
    yield block(*head, f"        $out.setdefault({key()}, []).append($x)", "return $out")
    yield block(
        "$out = {}", f"for $x in [$x for $x in xs if {p()}]:", f"    $out.setdefault({key()}, []).append($x)",
        "return $out",
    )  # fmt: skip
    yield block(*head, f"        $key = {key()}", "        $out.setdefault($key, []).append($x)", "return $out")


GROUP = Family(
    name="group",
    parameters="xs",
    entry_point="group_{0}_by_{1}",
    docstring="Return a dict that groups the numbers in xs that are {0} by {1}.",
    choices=every(PREDICATES, _KEYS),
    structures=_group,
    probes=_LISTS,
)


def _flatten(how: Spelling, p: Spelling, f: Spelling) -> Iterator[str]:
    start, update, end = accumulation(how.word, f())
    condition = p()
    yield block(f"return {expression(how.word, f'{f()} for $row in m for $x in $row if {condition}')}")
    yield block(
        f"$out = {start}", "for $row in m:", "    for $x in $row:", f"        if {condition}:", f"            {update}",
        f"return {end}",
    )  # fmt: skip
    yield block("$kept = sum(m, [])", f"return {expression(how.word, f'{f()} for $x in $kept if {condition}')}")


FLATTEN = Family(
    name="flatten",
    parameters="m",
    entry_point="flat_{0}_{1}_{2}",
    docstring="Return the {0} of the numbers in m that are {1}, each {2}.",
    choices=every((SUM, MAX, MIN, LIST), PREDICATES, (*SIMPLE_MAPS, *TIMES)),
    structures=_flatten,
    probes=(
        "candidate([])",
        "candidate([[], []])",
        "candidate([[3, 8, -2], [8, 5], [0]])",
        "candidate([[-4, -9], [12, 7, 7, 2], [6, 6]])",
        "candidate([[9, 4, -1, 10], [], [3, -6, 5, 21]])",
        "[candidate([[x]]) for x in range(-10, 25)]",
    ),
)

TABLES = (DICT_BUILD, DICT_FILTER, GROUP, FLATTEN)
