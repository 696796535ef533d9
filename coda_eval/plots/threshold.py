"""What a confidence threshold buys: pass@1 and tokens a forward."""

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
from coda_eval.points import Point, group_series
from coda_eval.points.series import axis_of, axis_value

TITLE = "Accuracy and parallelism against the threshold"


def usable(points: Sequence[Point]) -> list[Point]:
    """Points with a confidence threshold, where there are two at least."""
    found = [
        point
        for point in points
        if axis_of(point) == "threshold" and point.tokens_per_forward is not None and point.accuracy.value is not None
    ]
    return at_one_batch_size(found) if len({axis_value(point) for point in found}) > 1 else []


def draw(points: Sequence[Point]) -> plt.Figure:
    """The chart; `points` are usable."""
    figure, (accuracy, tokens) = plt.subplots(2, 1, figsize=(6.8, 6.0), sharex=True, height_ratios=(3, 2))
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
        tokens.plot(x, [point.tokens_per_forward or 0.0 for point in series.points], **style)
    accuracy_axis(accuracy)
    accuracy.set_title(heading(points, TITLE))
    legend_below(figure)
    tokens.set_ylim(bottom=0)
    tokens.set_ylabel("useful tokens a forward")
    tokens.set_xlabel("confidence threshold")
    tokens.set_xticks(sorted({axis_value(point) for point in points}))
    return figure
