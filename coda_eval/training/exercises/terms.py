"""The values of the slots that several families share."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from coda_eval.training.exercises.family import Term, Terms

SMALL = range(2, 6)
"""Constants: one digit, so that a constant is one token."""


def constants(values: Iterable[object], word: str, phrase: str, *forms: str) -> Terms:
    """One term a value, which replaces `#` in the word, the phrase and the forms."""

    def put(text: str, value: object) -> str:
        return text.replace("#", str(value))

    return tuple(
        Term(put(word, value), put(phrase, value), tuple(put(form, value) for form in forms), kind=word)
        for value in values
    )


EVEN = Term("even", "even", ("@ % 2 == 0", "not @ % 2"))
ODD = Term("odd", "odd", ("@ % 2 == 1", "@ % 2 != 0"))
OVER = constants(SMALL, "over_#", "over #", "@ > #", "# < @")
UNDER = constants(SMALL, "under_#", "under #", "@ < #", "# > @")
# 2 would be another word for `even`
MULTIPLE = constants(range(3, 6), "by_#", "divisible by #", "@ % # == 0", "not @ % #")
PREDICATES = (
    EVEN,
    ODD,
    Term("positive", "positive", ("@ > 0", "0 < @")),
    Term("negative", "negative", ("@ < 0", "0 > @")),
    *OVER,
    *UNDER,
    *MULTIPLE,
)

SIMPLE_MAPS = (
    Term("squared", "squared", ("@ * @", "@ ** 2")),
    Term("cubed", "cubed", ("@ * @ * @", "@ ** 3")),
    Term("doubled", "doubled", ("@ * 2", "2 * @", "@ + @")),
    Term("negated", "negated", ("-@", "0 - @")),
    Term("halved", "halved", ("@ // 2",)),
)
PLUS = constants(SMALL, "plus_#", "plus #", "@ + #", "# + @")
MINUS = constants(SMALL, "minus_#", "minus #", "@ - #")
# 2 would be another word for `doubled`
TIMES = constants(range(3, 6), "times_#", "times #", "@ * #", "# * @")
MODULO = constants(range(3, 6), "mod_#", "mod #", "@ % #")
MAPS = (*SIMPLE_MAPS, *PLUS, *MINUS, *TIMES, *MODULO)

SUM = Term("sum", "sum")
PRODUCT = Term("product", "product")
MAX = Term("max", "max (or 0)")
MIN = Term("min", "min (or 0)")
COUNT = Term("count", "count")
LIST = Term("list", "list")

DIGITS = constants(SMALL, "#", "#", "#")


def every(*slots: Terms) -> tuple[Terms, ...]:
    """Every combination of one term a slot."""
    return tuple(itertools.product(*slots))


def pairs(values: Terms) -> tuple[Terms, ...]:
    """Every two terms once, in one order: for slots where the other order means the same.

    Half of the pairs are turned round, so that each term is about as often the first as the second.
    """
    indexed = itertools.combinations(enumerate(values), 2)
    return tuple((p, q) if (i + j) % 2 else (q, p) for (i, p), (j, q) in indexed)
