"""Families over a string: pipelines, its characters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from coda_eval.training.exercises.family import Family, Spelling, Term, block
from coda_eval.training.exercises.terms import SMALL, constants, every, pairs

_CASES = (
    Term("upper", "in upper case", ("@.upper()",)),
    Term("lower", "in lower case", ("@.lower()",)),
    Term("title", "in title case", ("@.title()",)),
)
_LETTERS = "aeo"
_STEPS = (
    *_CASES,
    Term("reversed", "reversed", ("@[::-1]", '"".join(reversed(@))')),
    Term("stripped", "stripped", ("@.strip()",)),
    *constants(SMALL, "times_#", "times #", "@ * #", "# * @"),
    *constants(SMALL, "first_#", "cut to #", "@[:#]"),
    *constants(SMALL, "last_#", "cut to the last #", "@[-#:]"),
    *constants(SMALL, "skip_#", "without the first #", "@[#:]"),
    *(
        Term(f"replace_{a}_{b}", f"with {a} replaced by {b}", (f'@.replace("{a}", "{b}")',), kind="replace")
        for a, b in itertools.permutations(_LETTERS, 2)
    ),
    *constants(_LETTERS, "drop_#", "without #", '@.replace("#", "")'),
)


def _pipeline(f: Spelling, g: Spelling) -> Iterator[str]:
    inner = f("s")
    yield block(f"s = {f('s')}", f"s = {g('s')}", "return s")
    yield block(f"return {g(f'({inner})' if ' ' in inner else inner)}")
    yield block(f"$out = {inner}", f"return {g('$out')}")
    yield block("def $f($w):", f"    return {f('$w')}", f"return {g('$f(s)')}")


PIPELINE = Family(
    name="pipeline",
    parameters="s",
    entry_point="{0}_then_{1}",
    docstring="Return s {0}, then {1}.",
    choices=every(_STEPS, _STEPS),
    structures=_pipeline,
    probes=(
        'candidate("")',
        'candidate("aeiou")',
        'candidate(" Hello World  ")',
        'candidate("banana bread, oat OATS")',
        'candidate("Queue up: AEIOU uoiea")',
        'candidate("x1y2z3 equation ")',
    ),
)

_CLASSES = (
    Term("vowels", "vowels", ('@ in "aeiou"',)),
    Term("digits", "digits", ("@.isdigit()",)),
    Term("upper", "upper case", ("@.isupper()",)),
    Term("lower", "lower case", ("@.islower()",)),
    Term("spaces", "spaces", ('@ == " "', '" " == @')),
    *constants("aet", "#", "#", '@ == "#"', '"#" == @'),
    *constants("fp", "before_#", "before #", '@ < "#"', '"#" > @'),
    *constants("fp", "after_#", "after #", '@ > "#"', '"#" < @'),
)
_TEXTS = (
    'candidate("")',
    'candidate("banana bread")',
    'candidate("The Best of 1998 and 2024")',
    'candidate("ABE NST fkpu FKPU")',
    'candidate("abcdefghijklmnopqrstuvwxyz ABC 0123")',
    'candidate("  sent  to: Tess!")',
)


def _count_characters(a: Spelling, word: Spelling, b: Spelling) -> Iterator[str]:
    condition = {
        "or": f"{a('$c')} or {b('$c')}",
        "and": f"{a('$c')} and {b('$c')}",
        "but_not": f"{a('$c')} and not {b('$c')}",
    }[word.word]
    yield block(f"return sum(1 for $c in s if {condition})")
    yield block("$out = 0", "for $c in s:", f"    if {condition}:", "        $out += 1", "return $out")
    yield block(f"return len([$c for $c in s if {condition}])")


COUNT_CHARACTERS = Family(
    name="count_characters",
    parameters="s",
    entry_point="count_{0}_{1}_{2}",
    docstring="Return how many characters of s are {0} {1} {2}.",
    choices=(
        *((a, word, b) for word in (Term("or", "or"), Term("and", "and")) for a, b in pairs(_CLASSES)),
        *((a, Term("but_not", "but not"), b) for a, b in itertools.permutations(_CLASSES, 2)),
    ),
    structures=_count_characters,
    probes=_TEXTS,
)

STRINGS = (PIPELINE, COUNT_CHARACTERS)
