"""The figures of the CoDA report (arXiv 2510.03270): `results/paper`."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from coda_eval.assets import asset

FIGURE_PROBLEMS = 164
"""Figure 3 gives the time of the whole of HumanEval."""
COLUMNS = {"humaneval": "humaneval", "humaneval_plus": "humaneval-plus", "mbpp": "mbpp", "mbpp_plus": "mbpp-plus"}
"""Columns of Table 4, and the tasks that they are of."""
PROBLEMS = {"humaneval": 164, "humaneval-plus": 164, "mbpp": 500, "mbpp-plus": 378}
CHECKPOINTS = {
    "CoDA-1.7B-Base": "Salesforce/CoDA-v0-Base",
    "CoDA-1.7B-Instruct": "Salesforce/CoDA-v0-Instruct",
    "Dream-7B-Base": "Dream-org/Dream-v0-Base-7B",
    "Dream-7B-Instruct": "Dream-org/Dream-v0-Instruct-7B",
    "LLaDA-8B-Instruct": "GSAI-ML/LLaDA-8B-Instruct",
    "Qwen3-1.7B": "Qwen/Qwen3-1.7B",
    "Qwen2.5-Coder-1.5B": "Qwen/Qwen2.5-Coder-1.5B",
    "Qwen2.5-Coder-1.5B-Instruct": "Qwen/Qwen2.5-Coder-1.5B-Instruct",
    "Gemma-3-1B-it": "google/gemma-3-1b-it",
    "LLaMA-3.2-1B-Instruct": "meta-llama/Llama-3.2-1B-Instruct",
}
"""The rows of Table 4 as hub ids."""
ALTERNATIVES = {"mbpp": (500, 378, 399), "mbpp-plus": (378, 500, 399)}
"""Numbers of problems that a printed MBPP score may be of; 399 is MBPP+ v0.1.0. The harness' own comes first."""
CEILINGS = {"humaneval": (163, 164), "humaneval-plus": (161, 164), "mbpp": (499, 500), "mbpp-plus": (374, 378)}
"""What the canonical solutions reach under the report's protocol."""
HEADLINE_PERCENT = 39.64
"""How much lower than Dream-7B-Instruct's the abstract says CoDA's latency is."""


class FigurePoint(NamedTuple):
    """A point of Figure 3."""

    model: str
    steps: int
    total_s: float
    pass_at_1: float

    @property
    def seconds(self) -> float:
        """Seconds a problem."""
        return self.total_s / FIGURE_PROBLEMS


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCell:
    """A score of Table 4."""

    model: str
    family: str
    """`diffusion` or `autoregressive`."""
    task: str
    percent: float
    self_reported: bool
    """Taken over from the authors of that model."""


class Headline(NamedTuple):
    """The two readings of "lower latency", each the mean over the step counts of Figure 3."""

    by_ours: float
    """time(Dream) / time(CoDA) - 1: what the other takes more, of ours."""
    by_theirs: float
    """1 - time(CoDA) / time(Dream): what ours saves, of the other."""


def figure_3() -> list[FigurePoint]:
    """The points, read off the picture: time to 1 %, at 32 steps to 10 %; pass@1 to 0.005."""
    return [
        FigurePoint(
            row["model"],
            int(row["diffusion_steps"]),
            float(row["total_inference_time_s"]),
            float(row["pass_at_1"]),
        )
        for row in _rows("figure3.csv")
    ]


def table_4() -> list[TableCell]:
    """The cells, row by row."""
    return [
        TableCell(
            model=row["model"],
            family=row["family"],
            task=task,
            percent=float(row[column]),
            self_reported=row["self_reported"] == "true",
        )
        for row in _rows("table4.csv")
        for column, task in COLUMNS.items()
    ]


def headline(
    points: list[FigurePoint], *, ours: str = "CoDA-1.7B-Instruct", theirs: str = "Dream-7B-Instruct"
) -> Headline:
    """Both readings of the headline, in percent."""
    times = {(point.model, point.steps): point.total_s for point in points}
    pairs = [
        (time, times[theirs, steps])
        for (model, steps), time in times.items()
        if model == ours and (theirs, steps) in times
    ]
    return Headline(
        by_ours=100 * statistics.fmean(other / own - 1 for own, other in pairs),
        by_theirs=100 * statistics.fmean(1 - own / other for own, other in pairs),
    )


def possible_sizes(percent: float, sizes: tuple[int, ...], *, digits: int = 1) -> list[int]:
    """Of these numbers of problems, those of which a whole number passed rounds to the printed score."""
    return [
        size
        for size in sizes
        if any(round(100 * passed / size, digits) == percent for passed in _candidates(percent, size))
    ]


def protocol_note(cell: TableCell) -> str:
    """What is known of the protocol behind a printed score; empty where it is that of the report's own harness.

    A printed score is possible only where a whole number of problems rounds to it.
    """
    notes = ["reported by the model's authors"] if cell.self_reported else []
    if cell.task not in ALTERNATIVES:
        return "; ".join(notes)
    row = {other.task: other for other in table_4() if other.model == cell.model and other.task in ALTERNATIVES}
    fitting = {task: possible_sizes(other.percent, ALTERNATIVES[task]) for task, other in row.items()}
    foreign = [task for task in row if PROBLEMS[task] not in fitting[task]]
    if cell.task in foreign:
        others = " or ".join(map(str, fitting[cell.task])) or "no known number"
        notes.append(
            f"another protocol: no whole number of {PROBLEMS[cell.task]} problems rounds to it (of {others}, one does)"
        )
    elif foreign:
        notes.append(f"probably another protocol: the row's {foreign[0]} is of one")
    elif cell.task == "mbpp-plus":
        notes.append("378 problems on their first three base asserts, not on the plus tests")
    return "; ".join(notes)


def _candidates(percent: float, size: int) -> range:
    middle = round(percent * size / 100)
    return range(max(0, middle - 1), min(size, middle + 1) + 1)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with asset("results", "paper", name).open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)
