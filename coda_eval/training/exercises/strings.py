"""Families over a string: pipelines, its characters, its words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from coda_eval.training.exercises.family import Family, Spelling, Term, Terms, block
from coda_eval.training.exercises.terms import SMALL, constants, every, pairs

_CASES = (
    Term("upper", "in upper case", ("@.upper()",)),
    Term("lower", "in lower case", ("@.lower()",)),
    Term("title", "in title case", ("@.title()",)),
)
_LETTERS = "aeiou"
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
    *constants("abenst", "#", "#", '@ == "#"', '"#" == @'),
    *constants("fkpu", "before_#", "before #", '@ < "#"', '"#" > @'),
    *constants("fkpu", "after_#", "after #", '@ > "#"', '"#" < @'),
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

_EDITS = (
    *_CASES[:2],
    Term("doubled", "doubled", ("@ * 2", "2 * @", "@ + @")),
    Term("dropped", "dropped", ('""',)),
    Term("star", "as *", ('"*"',)),
    Term("dash", "as -", ('"-"',)),
)


def _edit_characters(a: Spelling, f: Spelling, g: Spelling) -> Iterator[str]:
    yield block(f'return "".join({f("$c")} if {a("$c")} else {g("$c")} for $c in s)')
    yield block(
        '$out = ""', "for $c in s:", f"    if {a('$c')}:", f"        $out += {f('$c')}", "    else:",
        f"        $out += {g('$c')}", "return $out",
    )  # fmt: skip
    yield block(f"$kept = [{f('$c')} if {a('$c')} else {g('$c')} for $c in s]", 'return "".join($kept)')


EDIT_CHARACTERS = Family(
    name="edit_characters",
    parameters="s",
    entry_point="{0}_{1}_else_{2}",
    docstring="Return s with characters that are {0} {1} and others {2}.",
    choices=tuple((a, f, g) for a in _CLASSES for f, g in itertools.permutations(_EDITS, 2)),
    structures=_edit_characters,
    probes=_TEXTS,
)


def _words(how: Spelling, p: Spelling, f: Spelling) -> Iterator[str]:
    joined, end = {
        "list": ("[{}]", "$out"),
        "dash": ('"-".join({})', '"-".join($out)'),
        "space": ('" ".join({})', '" ".join($out)'),
    }[how.word]
    word, condition = f("$w"), p("$w")
    yield block("return " + joined.format(f"{word} for $w in s.split() if {condition}"))
    yield block(
        "$out = []", "for $w in s.split():", f"    if {condition}:", f"        $out.append({word})", f"return {end}"
    )
    yield block(
        f"$kept = [$w for $w in s.split() if {condition}]", "return " + joined.format(f"{word} for $w in $kept")
    )


_WORD_TESTS: Terms = (
    *constants(SMALL, "over_#", "longer than #", "len(@) > #", "# < len(@)"),
    *constants(SMALL, "under_#", "shorter than #", "len(@) < #", "# > len(@)"),
    *constants("abenst", "starting_#", "starting with #", '@.startswith("#")', '@[0] == "#"'),
    *constants("abenst", "ending_#", "ending with #", '@.endswith("#")', '@[-1] == "#"'),
    *constants("abenst", "with_#", "with #", '"#" in @'),
)

WORDS = Family(
    name="words",
    parameters="s",
    entry_point="words_{0}_{1}_{2}",
    docstring="Return the words of s {1}, each {2}, {0}.",
    choices=every(
        (Term("list", "as a list"), Term("dash", "joined by -"), Term("space", "joined by spaces")),
        _WORD_TESTS,
        (
            *_CASES,
            Term("reversed", "reversed", ("@[::-1]",)),
            Term("doubled", "doubled", ("@ * 2", "2 * @", "@ + @")),
            *constants(SMALL, "first_#", "cut to #", "@[:#]"),
        ),
    ),
    structures=_words,
    probes=(
        'candidate("")',
        'candidate("   ")',
        'candidate("a be tea nest beans absent breadth")',
        'candidate("Sun et al: tenants absorbed subterranean nonsense")',
        'candidate("bob   bob entente b n s t e")',
        'candidate("establishments notwithstanding aba TNT tabs eat")',
    ),
)

STRINGS = (PIPELINE, COUNT_CHARACTERS, EDIT_CHARACTERS, WORDS)
