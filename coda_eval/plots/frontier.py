"""pass@1 against seconds a completion, with the Pareto front and 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from coda_eval.plots.style import (
    accuracy_axis,
    at_one_batch_size,
    hardware_note,
    heading,
    interval_bars,
    legend_below,
    line_styles,
    readable_seconds,
)
from coda_eval.points import Point, Spread, group_series, pareto_front
from coda_eval.points.frontier import Tradeoff
from coda_eval.points.series import axis_value

TITLE = "Accuracy against time"


def usable(points: Sequence[Point]) -> list[Point]:
    """Points that have a time and a score."""
    return at_one_batch_size(
        [point for point in points if point.seconds is not None and point.accuracy.value is not None]
    )


def draw(points: Sequence[Point]) -> plt.Figure:
    """The chart; `points` are usable."""
    figure, axes = plt.subplots(figsize=(7.2, 4.8))
    machines = {point.hardware for point in points}
    lines = group_series(points)
    for series, style in zip(lines, line_styles(lines), strict=True):
        seconds = [_seconds(point) for point in series.points]
        values = [point.accuracy.value or 0.0 for point in series.points]
        axes.errorbar(
            [each.median for each in seconds],
            values,
            yerr=interval_bars(series.points),
            xerr=[[each.median - each.low for each in seconds], [each.high - each.median for each in seconds]],
            elinewidth=0.7,
            alpha=0.95,
            label=series.label,
            **style,
        )
        if len(series.points) > 1:
            for point, each, value in zip(series.points, seconds, values, strict=True):
                axes.annotate(
                    f"{axis_value(point):g}",
                    (each.median, value),
                    textcoords="offset points",
                    xytext=(6, -10) if style["linestyle"] == "-" else (-6, 7),
                    ha="left" if style["linestyle"] == "-" else "right",
                    fontsize=7.5,
                    color=style["color"],
                )
    axes.set_xscale("log")
    readable_seconds(axes.xaxis)
    # A time on one machine does not dominate a time on another.
    if len(machines) == 1:
        _draw_front(axes, points)
    axes.set_xlabel(f"seconds a completion ({hardware_note(points)})")
    accuracy_axis(axes)
    axes.set_title(heading(points, TITLE))
    legend_below(figure)
    return figure


def _draw_front(axes: Axes, points: Sequence[Point]) -> None:
    """A step along the best that a budget of time buys."""
    tradeoffs = [Tradeoff(_seconds(point).median, point.accuracy.value or 0.0) for point in points]
    front = sorted({each for each, best in zip(tradeoffs, pareto_front(tradeoffs), strict=True) if best})
    right = max(each.cost for each in tradeoffs) * 1.25
    axes.step(
        [*(each.cost for each in front), right],
        [*(each.gain for each in front), front[-1].gain],
        where="post",
        color="grey",
        alpha=0.35,
        linewidth=5,
        zorder=0,
        solid_capstyle="round",
        label="Pareto front",
    )


def _seconds(point: Point) -> Spread:
    assert point.seconds is not None
    return point.seconds
