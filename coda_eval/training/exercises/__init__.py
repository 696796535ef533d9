"""Small Python exercises of compositional structure: a family and a value for each of its slots.

Every value of a slot occurs in training; the exact combinations of the suite `mini` do not.
"""

from coda_eval.training.exercises.corpus import mini_exercises, mini_jsonl, mini_rows, training_exercises
from coda_eval.training.exercises.family import Exercise

__all__ = ["Exercise", "mini_exercises", "mini_jsonl", "mini_rows", "training_exercises"]
