"""Tokens a second against batch size, and where the order of models changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt

from coda_eval.plots.style import (
    categories_on_log_axis,
    hardware_note,
    heading,
    legend_below,
    line_styles,
    readable_seconds,
)
from coda_eval.points import Point, Series, group_series
from coda_eval.points.series import axis_of, axis_value, is_swept

TITLE = "Throughput against batch size"


class Crossing(NamedTuple):
    """Where two lines meet, on axes that are both logarithmic."""

    batch_size: float
    tokens_per_s: float


def usable(points: Sequence[Point]) -> list[Point]:
    """Timed points of settings that were run at two batch sizes at least."""
    found = [point for point in points if point.settings.get("batch_size") and point.tokens_per_s is not None]
    return [point for line in _lines(found) for point in line.points]


def draw(points: Sequence[Point]) -> plt.Figure:
    """The chart; `points` are usable."""
    figure, axes = plt.subplots(figsize=(6.8, 4.6))
    lines = _lines(points)
    for series, style in zip(lines, line_styles(lines), strict=True):
        rates = [point.tokens_per_s for point in series.points if point.tokens_per_s is not None]
        axes.errorbar(
            [point.settings["batch_size"] for point in series.points],
            [rate.median for rate in rates],
            yerr=[[rate.median - rate.low for rate in rates], [rate.high - rate.median for rate in rates]],
            elinewidth=0.7,
            label=series.label,
            **style,
        )
    for diffusion in lines:
        for baseline in lines:
            if is_swept(diffusion.points[0]) and not is_swept(baseline.points[0]):
                for crossing in crossings(diffusion, baseline):
                    axes.plot(*crossing, marker="o", markersize=14, markerfacecolor="none", color="grey")
                    axes.annotate(
                        f"crossover at about {crossing.batch_size:.1f}",
                        crossing,
                        textcoords="offset points",
                        xytext=(10, -14),
                        fontsize=8,
                    )
    axes.set_yscale("log")
    readable_seconds(axes.yaxis)
    categories_on_log_axis(axes, [point.settings["batch_size"] for point in points])
    axes.set_xlabel(f"batch size   ({hardware_note(points)})")
    axes.set_ylabel("useful tokens a second")
    axes.set_title(heading(points, TITLE))
    legend_below(figure)
    return figure


def crossings(one: Series, other: Series) -> list[Crossing]:
    """Where `one` passes from above `other` to below it or back, interpolated between batch sizes both have."""
    rates = [
        {point.settings["batch_size"]: point.tokens_per_s.median for point in line.points if point.tokens_per_s}
        for line in (one, other)
    ]
    shared = sorted(rates[0].keys() & rates[1].keys())
    gaps = [math.log(rates[0][size] / rates[1][size]) for size in shared]
    found = []
    for left, right, gap_left, gap_right in zip(shared, shared[1:], gaps, gaps[1:], strict=False):
        if gap_left * gap_right < 0:
            share = gap_left / (gap_left - gap_right)
            found.append(
                Crossing(left * (right / left) ** share, rates[0][left] * (rates[0][right] / rates[0][left]) ** share)
            )
    return found


def _lines(points: Sequence[Point]) -> list[Series]:
    """A line for each model and value of what is swept: only the batch size varies along it."""
    lines = []
    for series in group_series(points, apart_by=["batch_size"]):
        for value in sorted({axis_value(point) for point in series.points}):
            along = sorted(
                (point for point in series.points if axis_value(point) == value),
                key=lambda point: point.settings["batch_size"],
            )
            named = series.label if not is_swept(along[0]) else f"{series.label}, {value:g}"
            if len(along) > 1:
                lines.append(Series(named, axis_of(along[0]), tuple(along)))
    return lines
