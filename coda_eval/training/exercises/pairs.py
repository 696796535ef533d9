"""Families over pairs of numbers: the neighbours in a list, the numbers of two lists side by side."""

from __future__ import annotations

from collections.abc import Iterator

from coda_eval.training.exercises.family import Family, Spelling, Term, block
from coda_eval.training.exercises.reductions import accumulation, expression
from coda_eval.training.exercises.terms import COUNT, LIST, PREDICATES, SUM, every

# In a form, `<` and `>` stand for the left and the right number.
_OPERATIONS = (
    Term("sum", "sum", ("< + >", "> + <")),
    Term("product", "product", ("< * >", "> * <")),
    Term("difference", "difference", ("< - >",)),
    Term("distance", "distance", ("abs(< - >)", "abs(> - <)")),
    Term("max", "max", ("max(<, >)",)),
    Term("min", "min", ("min(<, >)",)),
)
_HOW = (SUM, COUNT, LIST)


def _of(operation: Spelling, left: str, right: str) -> str:
    return operation.form.replace("<", left).replace(">", right)


def _over_pairs(how: Spelling, p: Spelling, pairs: str, value: str, indices: str, indexed: str) -> Iterator[str]:
    """Bodies that reduce `value`, of `$a, $b in pairs`, or what is the same, `indexed`, of `$i in range(indices)`."""
    start, update, end = accumulation(how.word, "$y")
    tail = (f"    if {p('$y')}:", f"        {update}", f"return {end}")
    yield block(f"$out = {start}", f"for $a, $b in {pairs}:", f"    $y = {value}", *tail)
    yield block(f"$out = {start}", f"for $i in range({indices}):", f"    $y = {indexed}", *tail)
    items = f"$y for $y in $kept if {p('$y')}"
    yield block(f"$kept = [{value} for $a, $b in {pairs}]", f"return {expression(how.word, items)}")


def _neighbours(how: Spelling, operation: Spelling, p: Spelling) -> Iterator[str]:
    value, indexed = _of(operation, "$a", "$b"), _of(operation, "xs[$i]", "xs[$i + 1]")
    yield from _over_pairs(how, p, "zip(xs, xs[1:])", value, "len(xs) - 1", indexed)


NEIGHBOURS = Family(
    name="neighbours",
    parameters="xs",
    entry_point="next_{0}_{1}_{2}",
    docstring="Return the {0} of each {1} of neighbours in xs that is {2}.",
    choices=every(_HOW, _OPERATIONS, PREDICATES),
    structures=_neighbours,
    probes=(
        "candidate([])",
        "candidate([5])",
        "candidate([3, 8, -2, 8, 8, 5, 0])",
        "candidate([-4, -9, 12, 7, 7, 2, 6])",
        "[candidate([x, 1]) for x in range(-10, 13)]",
        "[candidate([x, 0]) for x in range(-10, 13)]",
        "[candidate([x, 2 * x]) for x in range(-10, 13)]",
        "[candidate([x, 12]) for x in range(-10, 13)]",
    ),
)


def _zipped(how: Spelling, operation: Spelling, p: Spelling) -> Iterator[str]:
    value, indexed = _of(operation, "$a", "$b"), _of(operation, "xs[$i]", "ys[$i]")
    yield from _over_pairs(how, p, "zip(xs, ys)", value, "len(xs)", indexed)


ZIPPED = Family(
    name="zipped",
    parameters="xs, ys",
    entry_point="zip_{0}_{1}_{2}",
    docstring="Return the {0} of each {1} of a pair in zip(xs, ys) that is {2}.",
    choices=every(_HOW, _OPERATIONS, PREDICATES),
    structures=_zipped,
    # the lists have one length: one way to write the body relies on that
    probes=(
        "candidate([], [])",
        "candidate([3, 8, -2, 8], [8, 8, 5, 0])",
        "candidate([-4, -9, 12, 7], [7, 2, 6, 7])",
        "[candidate([x], [1]) for x in range(-10, 13)]",
        "[candidate([x], [0]) for x in range(-10, 13)]",
        "[candidate([x], [2 * x]) for x in range(-10, 13)]",
        "[candidate([x], [12]) for x in range(-10, 13)]",
    ),
)

PAIRS = (NEIGHBOURS, ZIPPED)
