"""Every family of exercises."""

from __future__ import annotations

from coda_eval.training.exercises.family import Family
from coda_eval.training.exercises.integers import INTEGERS
from coda_eval.training.exercises.lists import LISTS
from coda_eval.training.exercises.pairs import PAIRS
from coda_eval.training.exercises.strings import STRINGS
from coda_eval.training.exercises.tables import TABLES

FAMILIES: tuple[Family, ...] = (*LISTS, *INTEGERS, *PAIRS, *TABLES, *STRINGS)
