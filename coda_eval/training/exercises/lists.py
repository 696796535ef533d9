"""Families over one list of integers that give a number or a list."""

from __future__ import annotations

from collections.abc import Iterator

from coda_eval.training.exercises.family import Family, Spelling, Term, block
from coda_eval.training.exercises.reductions import accumulation, reduction
from coda_eval.training.exercises.terms import (
    DIGITS,
    LIST,
    MAPS,
    MAX,
    MIN,
    MINUS,
    PLUS,
    PREDICATES,
    PRODUCT,
    SIMPLE_MAPS,
    SUM,
    TIMES,
    every,
    pairs,
)

# Numbers alone, from below to above all that the constants tell apart; and lists, with duplicates and negatives.
_ONE_BY_ONE = "[candidate([x]) for x in range(-10, 25)]"
_LISTS = (
    "candidate([])",
    "candidate([3, 8, -2, 8, 5, 0])",
    "candidate([-4, -9, 12, 7, 7, 2, 6])",
    "candidate([9, 4, -1, 10, 3, -6, 5, 21])",
    "candidate([5, 6, 7, 8, 9, 10, 11, 12])",
)
_PROBES = (*_LISTS, _ONE_BY_ONE)


def _filter_map_reduce(how: Spelling, p: Spelling, f: Spelling) -> Iterator[str]:
    yield from reduction(how.word, "for $x in xs", f(), p())
    if how.word == "sum":
        yield block("def $g($x):", f"    return {p()}", f"return sum({f()} for $x in xs if $g($x))")
    elif how.word == "list":
        yield block("def $g($x):", f"    return {p()}", f"return [{f()} for $x in xs if $g($x)]")


FILTER_MAP_REDUCE = Family(
    name="filter_map_reduce",
    parameters="xs",
    entry_point="{0}_{1}_{2}",
    docstring="Return the {0} of the numbers in xs that are {1}, each {2}.",
    choices=every((SUM, PRODUCT, MAX, MIN, LIST), PREDICATES, MAPS),
    structures=_filter_map_reduce,
    probes=_PROBES,
)


def _count_two(p: Spelling, word: Spelling, q: Spelling) -> Iterator[str]:
    yield from reduction("count", "for $x in xs", "$x", f"{p()} {word.word} {q()}")
    if word.word == "and":
        yield block(
            "$out = 0", "for $x in xs:", f"    if {p()}:", f"        if {q()}:", "            $out += 1", "return $out"
        )
    else:
        yield block(
            "$out = 0", "for $x in xs:", f"    if {p()}:", "        $out += 1",
            f"    elif {q()}:", "        $out += 1", "return $out",
        )  # fmt: skip


COUNT_TWO = Family(
    name="count_two",
    parameters="xs",
    entry_point="count_{0}_{1}_{2}",
    docstring="Return how many numbers in xs are {0} {1} {2}.",
    choices=tuple((p, word, q) for p, q in pairs(PREDICATES) for word in (Term("and", "and"), Term("or", "or"))),
    structures=_count_two,
    probes=(*_LISTS, "[candidate([x]) for x in range(-10, 73)]"),
)


def _conditional(p: Spelling, f: Spelling, g: Spelling) -> Iterator[str]:
    yield block(f"return [{f()} if {p()} else {g()} for $x in xs]")
    yield block(
        "$out = []", "for $x in xs:", f"    if {p()}:", f"        $out.append({f()})",
        "    else:", f"        $out.append({g()})", "return $out",
    )  # fmt: skip
    yield block(
        "def $f($x):", f"    if {p()}:", f"        return {f()}", f"    return {g()}", "return [$f($x) for $x in xs]"
    )


CONDITIONAL = Family(
    name="conditional",
    parameters="xs",
    entry_point="{1}_if_{0}_else_{2}",
    docstring="Return xs with each number {1} if it is {0}, else {2}.",
    choices=tuple(
        terms for terms in every(PREDICATES, (*SIMPLE_MAPS, *TIMES), (*SIMPLE_MAPS, *PLUS)) if terms[1] is not terms[2]
    ),
    structures=_conditional,
    probes=_PROBES,
)


def _composed(f: Spelling, g: Spelling) -> Iterator[str]:
    yield block("def $f($x):", f"    $y = {f()}", f"    return {g('$y')}", "return [$f($x) for $x in xs]")
    yield block("$out = []", "for $x in xs:", f"    $y = {f()}", f"    $out.append({g('$y')})", "return $out")
    yield block(f"$kept = [{f()} for $x in xs]", f"return [{g('$y')} for $y in $kept]")
    yield block(f"return [{g('$y')} for $y in [{f()} for $x in xs]]")


COMPOSED = Family(
    name="composed",
    parameters="xs",
    entry_point="{0}_then_{1}",
    docstring="Return the numbers in xs, each {0}, then {1}.",
    choices=every(MAPS, MAPS),
    structures=_composed,
    probes=_PROBES,
)


def _quantified(how: Spelling, f: Spelling, p: Spelling) -> Iterator[str]:
    function = "all" if how.word == "all" else "any"
    negation = "not " if how.word == "none" else ""
    # what ends the loop, and what it then returns
    if how.word == "all":
        ends = p("$y").removeprefix("not ") if p.form.startswith("not ") else f"not {p('$y')}"
    else:
        ends = p("$y")
    found, otherwise = ("True", "False") if how.word == "any" else ("False", "True")
    yield block(f"return {negation}{function}({p('$y')} for $y in [{f()} for $x in xs])")
    yield block("for $x in xs:", f"    $y = {f()}", f"    if {ends}:", f"        return {found}", f"return {otherwise}")
    yield block("def $f($x):", f"    return {f()}", f"return {negation}{function}({p('$f($x)')} for $x in xs)")
    yield block(f"$kept = [{f()} for $x in xs]", f"return {negation}{function}({p('$y')} for $y in $kept)")


QUANTIFIED = Family(
    name="quantified",
    parameters="xs",
    entry_point="{0}_{1}_{2}",
    docstring="Return whether {0} of the numbers in xs, each {1}, are {2}.",
    choices=every(
        (Term("any", "any"), Term("all", "all"), Term("none", "none")), (*SIMPLE_MAPS, *PLUS, *MINUS), PREDICATES
    ),
    structures=_quantified,
    probes=(
        "candidate([])",
        "candidate([3, 8, -2, 8, 5, 0])",
        "candidate([-4, -9, -6, -6])",
        "candidate([12, 24, 36])",
        "candidate([7, 9, 1])",
        "[candidate([x]) for x in range(-10, 25)]",
        "[candidate([x, x + 1]) for x in range(-10, 25)]",
    ),
)


def _until(how: Spelling, p: Spelling, f: Spelling) -> Iterator[str]:
    start, update, end = accumulation(how.word, f())
    head = f"$out = {start}"
    yield block(head, "for $x in xs:", f"    if {p()}:", "        break", f"    {update}", f"return {end}")
    yield block(head, "for $x in xs:", f"    if {p()}:", f"        return {end}", f"    {update}", f"return {end}")


UNTIL = Family(
    name="until",
    parameters="xs",
    entry_point="{0}_until_{1}_{2}",
    docstring="Return the {0} of the numbers in xs before the first that is {1}, each {2}.",
    choices=every((SUM, LIST), PREDICATES, MAPS),
    structures=_until,
    probes=_PROBES,
)


def _search(which: Spelling, p: Spelling, missing: Spelling) -> Iterator[str]:
    default = missing.word if missing.word != "minus_1" else "-1"
    order = "xs[::-1]" if which.word == "last" else "xs"
    if which.word in ("first", "last"):
        yield block(f"for $x in {order}:", f"    if {p()}:", "        return $x", f"return {default}")
        yield block(f"return next(($x for $x in {order} if {p()}), {default})")
        end = "0" if which.word == "first" else "-1"
        yield block(f"$kept = [$x for $x in xs if {p()}]", f"return $kept[{end}] if $kept else {default}")
    elif which.word == "first_index":
        yield block("for $i, $x in enumerate(xs):", f"    if {p()}:", "        return $i", f"return {default}")
        yield block("for $i in range(len(xs)):", f"    if {p('xs[$i]')}:", "        return $i", f"return {default}")
        yield block(f"return next(($i for $i, $x in enumerate(xs) if {p()}), {default})")
    else:
        yield block(
            f"$out = {default}", "for $i, $x in enumerate(xs):", f"    if {p()}:", "        $out = $i", "return $out"
        )
        yield block(
            "for $i in reversed(range(len(xs))):", f"    if {p('xs[$i]')}:", "        return $i", f"return {default}"
        )
        yield block(f"$kept = [$i for $i, $x in enumerate(xs) if {p()}]", f"return $kept[-1] if $kept else {default}")


SEARCH = Family(
    name="search",
    parameters="xs",
    entry_point="{0}_{1}_or_{2}",
    docstring="Return the {0} number in xs that is {1}, or {2} if there is none.",
    choices=every(
        (
            Term("first", "first"),
            Term("last", "last"),
            Term("first_index", "index of the first"),
            Term("last_index", "index of the last"),
        ),
        PREDICATES,
        (Term("minus_1", "-1"), Term("0", "0"), Term("None", "None"), *DIGITS),
    ),
    structures=_search,
    probes=_PROBES,
)

LISTS = (FILTER_MAP_REDUCE, COUNT_TWO, CONDITIONAL, COMPOSED, QUANTIFIED, UNTIL, SEARCH)
