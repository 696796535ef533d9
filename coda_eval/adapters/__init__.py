"""Adapters: from a row of a data file to a problem. One for each form of row, not for each benchmark."""

from collections.abc import Callable, Mapping

from coda_eval.adapters.humaneval import humaneval_problem
from coda_eval.adapters.mbpp import mbpp_problem
from coda_eval.adapters.plus import humaneval_plus_problem, mbpp_plus_problem
from coda_eval.records import Problem

ADAPTERS: dict[str, Callable[[Mapping[str, object]], Problem]] = {
    "humaneval": humaneval_problem,
    "humaneval-plus": humaneval_plus_problem,
    "mbpp": mbpp_problem,
    "mbpp-plus": mbpp_plus_problem,
}
"""By the name that a task's TOML gives. Each raises `TaskError` for a row that it cannot read."""
