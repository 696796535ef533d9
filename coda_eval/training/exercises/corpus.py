"""The corpus: which combinations are held out as the suite `mini`, and the endless stream of all the others."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from coda_eval.training.exercises.catalogue import FAMILIES
from coda_eval.training.exercises.family import Exercise, Family, Terms

HELD_OUT_PER_FAMILY = 5


@functools.cache
def held_out(family: Family) -> frozenset[Terms]:
    """The combinations of the family that only `mini` has.

    Each answers the probes as no other combination does, so none that means the same is left for training.
    """
    answers = {terms: repr(family.answers(terms)) for terms in family.choices}
    meanings = Counter(answers.values())
    distinct = [terms for terms in family.choices if meanings[answers[terms]] == 1]
    return frozenset(Random(f"mini {family.name}").sample(distinct, HELD_OUT_PER_FAMILY))


@functools.cache
def mini_exercises() -> tuple[Exercise, ...]:
    """The held-out exercises, family by family in the order of the catalogue."""
    return tuple(family.exercise(terms) for family in FAMILIES for terms in family.choices if terms in held_out(family))


class _Draw(NamedTuple):
    family: Family
    choices: tuple[Terms, ...]
    cumulative_weights: tuple[float, ...]


@functools.cache
def _draws() -> tuple[_Draw, ...]:
    return tuple(_draw(family) for family in FAMILIES)


def _draw(family: Family) -> _Draw:
    """In each slot every kind of term has the same chance, whether it comes with one constant or with eight."""
    choices = tuple(terms for terms in family.choices if terms not in held_out(family))
    slots = [set(slot) for slot in zip(*choices, strict=True)]
    sizes = [Counter(term.kind or term.word for term in slot) for slot in slots]
    weights = (
        math.prod(1 / size[term.kind or term.word] for size, term in zip(sizes, terms, strict=True))
        for terms in choices
    )
    return _Draw(family, choices, tuple(itertools.accumulate(weights)))


def training_exercises(seed: int) -> Iterator[tuple[str, str]]:
    """An endless stream of (prompt, completion): families with equal chance, never a held-out combination."""
    random = Random(seed)
    draws = _draws()
    while True:
        family, choices, cumulative_weights = draws[int(random.random() * len(draws))]
        (terms,) = random.choices(choices, cum_weights=cumulative_weights)
        yield family.prompt(terms), family.draw_body(terms, random)


def mini_rows() -> tuple[dict[str, str], ...]:
    """The lines of `tasks/mini.jsonl`."""
    return tuple(
        {
            "task_id": f"mini/{index}",
            "prompt": exercise.prompt,
            "entry_point": exercise.entry_point,
            "canonical_solution": exercise.canonical_solution,
            "test": exercise.test,
            "family": exercise.family,
        }
        for index, exercise in enumerate(mini_exercises())
    )


def mini_jsonl() -> str:
    """The text of `tasks/mini.jsonl`."""
    return "".join(json.dumps(row) + "\n" for row in mini_rows())
