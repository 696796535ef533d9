"""pass@1 against tokens a forward, with the area under it (AUP)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt

from coda_eval.plots.style import (
    accuracy_axis,
    at_one_batch_size,
    heading,
    interval_bars,
    legend_below,
    line_styles,
)
from coda_eval.points import Point, accuracy_under_parallelism, group_series
from coda_eval.points.frontier import Parallelism

TITLE = "Accuracy against tokens a forward"


def usable(points: Sequence[Point]) -> list[Point]:
    """Points that count their forwards."""
    return at_one_batch_size(
        [point for point in points if point.tokens_per_forward is not None and point.accuracy.value is not None]
    )


def draw(points: Sequence[Point]) -> plt.Figure:
    """The chart; `points` are usable."""
    figure, axes = plt.subplots(figsize=(6.8, 4.6))
    best = 100 * max(point.accuracy.value or 0.0 for point in points)
    lines = group_series(points)
    for series, style in zip(lines, line_styles(lines), strict=True):
        ordered = sorted(series.points, key=lambda point: point.tokens_per_forward or 0.0)
        x = [point.tokens_per_forward or 0.0 for point in ordered]
        y = [point.accuracy.value or 0.0 for point in ordered]
        area = accuracy_under_parallelism(
            [Parallelism(tokens, 100 * value) for tokens, value in zip(x, y, strict=True)], best=best
        )
        axes.errorbar(
            x,
            y,
            yerr=interval_bars(ordered),
            elinewidth=0.7,
            label=series.label + ("" if area is None else f"   AUP {area:.1f}"),
            **style,
        )
    axes.set_xlim(left=0)
    axes.set_xlabel("useful tokens a forward")
    accuracy_axis(axes)
    axes.set_title(heading(points, TITLE))
    legend_below(figure)
    return figure
