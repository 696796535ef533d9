"""Where the time goes: seconds a completion, by stage."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt

from coda_eval.plots.style import hardware_note, heading, palette
from coda_eval.points import Point
from coda_eval.points.series import axis_of, axis_value, is_swept
from coda_eval.points.stages import STAGES, stage_seconds

TITLE = "Where the time goes"


def usable(points: Sequence[Point]) -> list[Point]:
    """Timed points."""
    return [point for point in points if stage_seconds(point)]


def draw(points: Sequence[Point]) -> plt.Figure:
    """The chart; `points` are usable."""
    points = sorted(points, key=lambda point: (point.model, axis_of(point), axis_value(point)))
    stages = [stage_seconds(point) for point in points]
    figure, axes = plt.subplots(figsize=(7.6, 1.6 + 0.3 * len(points)))
    left = [0.0] * len(points)
    colours = palette()
    for index, stage in enumerate(STAGES):
        widths = [1000 * each.get(stage, 0.0) for each in stages]
        if any(widths):
            axes.barh(range(len(points)), widths, left=left, color=colours[index], label=stage)
            left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_yticks(
        range(len(points)),
        [_label(point, batch_sizes=len({each.settings.get("batch_size") for each in points}) > 1) for point in points],
    )
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"milliseconds a completion ({hardware_note(points)})")
    axes.set_title(heading(points, TITLE))
    axes.set_ylim(len(points) - 0.4, -0.6)
    figure.legend(loc="outside lower left", ncols=len(STAGES))
    return figure


def _label(point: Point, *, batch_sizes: bool) -> str:
    axis = f"  {axis_of(point).replace('_', ' ')} {axis_value(point):g}" if is_swept(point) else ""
    return f"{point.model}{axis}" + (f"  batch {point.settings.get('batch_size')}" if batch_sizes else "")
