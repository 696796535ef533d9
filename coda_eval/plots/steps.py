"""pass@1 and time against steps: Figure 3 of the CoDA report, with its points as hollow marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import matplotlib.pyplot as plt

from coda_eval.plots.style import (
    MARKERS,
    accuracy_axis,
    at_one_batch_size,
    categories_on_log_axis,
    hardware_note,
    heading,
    interval_bars,
    legend_below,
    line_styles,
    readable_seconds,
)
from coda_eval.points import Point, group_series
from coda_eval.points.published import figure_3
from coda_eval.points.series import axis_of, axis_value, is_swept

TITLE = "Accuracy and time against steps"
PUBLISHED_TASK = "humaneval"
"""Figure 3 is of this task: beside another one its points would say nothing."""


def usable(points: Sequence[Point]) -> list[Point]:
    """Diffusion points whose steps were given, where there are two step counts at least."""
    found = [
        point
        for point in points
        if point.seconds is not None
        and point.accuracy.value is not None
        and is_swept(point)
        and axis_of(point) == "steps"
    ]
    return at_one_batch_size(found) if len({axis_value(point) for point in found}) > 1 else []


def draw(points: Sequence[Point]) -> plt.Figure:
    """The chart; `points` are usable."""
    figure, (accuracy, time) = plt.subplots(2, 1, figsize=(6.8, 6.2), sharex=True, height_ratios=(3, 2))
    steps = [axis_value(point) for point in points]
    lines = group_series(points)
    for series, style in zip(lines, line_styles(lines), strict=True):
        x = [axis_value(point) for point in series.points]
        accuracy.errorbar(
            x,
            [point.accuracy.value or 0.0 for point in series.points],
            yerr=interval_bars(series.points),
            elinewidth=0.7,
            label=series.label,
            **style,
        )
        seconds = [point.seconds for point in series.points if point.seconds is not None]
        time.errorbar(
            x,
            [each.median for each in seconds],
            yerr=[[each.median - each.low for each in seconds], [each.high - each.median for each in seconds]],
            elinewidth=0.7,
            **style,
        )
    if points[0].metrics.task == PUBLISHED_TASK:
        steps += _draw_published(accuracy, time)
    categories_on_log_axis(time, steps)
    accuracy_axis(accuracy)
    time.set_yscale("log")
    readable_seconds(time.yaxis)
    time.set_ylabel("seconds a completion")
    time.set_xlabel(f"denoising steps   (measured on {hardware_note(points)})")
    accuracy.set_title(heading(points, TITLE))
    legend_below(figure)
    return figure


def _draw_published(accuracy: plt.Axes, time: plt.Axes) -> list[float]:
    """Hollow marks; returns their step counts."""
    by_model = defaultdict(list)
    for point in figure_3():
        by_model[point.model].append(point)
    for marker, (model, points) in zip(MARKERS, by_model.items(), strict=False):
        style = {"color": "grey", "marker": marker, "linestyle": "none", "markerfacecolor": "none", "markersize": 8}
        x = [point.steps for point in points]
        accuracy.plot(x, [point.pass_at_1 for point in points], label=f"{model}, published (A100)", **style)
        time.plot(x, [point.seconds for point in points], **style)
    return [float(point.steps) for points in by_model.values() for point in points]
