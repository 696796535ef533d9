"""The measured scores beside the published ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coda_eval.points import Point
from coda_eval.points.published import CHECKPOINTS, PROBLEMS, TableCell, protocol_note, table_4
from coda_eval.records import Estimate
from coda_eval.scoring import wilson_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A published score and, where the same model was run, the measured one."""

    cell: TableCell
    note: str
    """What the printed score says of the protocol behind it."""
    point: Point | None
    """The measured point of that model with the best accuracy."""
    difference: Estimate | None
    """Measured minus published, in percentage points."""


def compare_with_published(points: Sequence[Point]) -> list[Comparison]:
    """The published scores of the task of these points; none where nothing was published on it."""
    task = points[0].metrics.task
    comparisons = []
    for cell in table_4():
        if cell.task != task:
            continue
        hub_id = CHECKPOINTS[cell.model]
        # A local directory has the last part of the name only.
        mine = [point for point in points if point.model in (hub_id, Path(hub_id).name) and point.accuracy.ci95]
        best = max(mine, key=lambda point: point.accuracy.value or 0.0, default=None)
        comparisons.append(
            Comparison(
                cell=cell,
                note=protocol_note(cell),
                point=best,
                difference=None if best is None else difference(best.accuracy, cell.percent, PROBLEMS[task]),
            )
        )
    return comparisons


def difference(measured: Estimate, published_percent: float, problems: int) -> Estimate:
    """Measured minus published in percentage points, with Newcombe's (1998, method 10) 95 % interval.

    The published score is taken as a share of `problems`, drawn independently: which of them passed was not published,
    so that the pairing by problem, which would narrow the interval, cannot be used.
    """
    value, published = measured.value, published_percent / 100
    if value is None or measured.ci95 is None:
        return Estimate(value=None, ci95=None)
    low, high = measured.ci95
    published_low, published_high = wilson_interval(published * problems, problems)
    below = math.hypot(value - low, published_high - published)
    above = math.hypot(high - value, published - published_low)
    gap = value - published
    return Estimate(value=100 * gap, ci95=(100 * (gap - below), 100 * (gap + above)))
