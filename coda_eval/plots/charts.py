"""The charts of several runs, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import matplotlib.pyplot as plt

from coda_eval.errors import StoreError
from coda_eval.plots import batch, forwards, frontier, stages, steps, threshold
from coda_eval.plots.style import save, theme
from coda_eval.points import Point


class Chart(NamedTuple):
    """One kind of chart."""

    title: str
    usable: Callable[[Sequence[Point]], list[Point]]
    """The points that it can show; none where it has nothing to say."""
    draw: Callable[[Sequence[Point]], plt.Figure]
    needs: str
    """What points it is for, in words."""


CHARTS: dict[str, Chart] = {
    "frontier": Chart(frontier.TITLE, frontier.usable, frontier.draw, "runs of `coda-eval run`, which are timed"),
    "steps": Chart(steps.TITLE, steps.usable, steps.draw, "diffusion runs of several --steps"),
    "forwards": Chart(forwards.TITLE, forwards.usable, forwards.draw, "runs of `coda-eval run`, which count forwards"),
    "threshold": Chart(threshold.TITLE, threshold.usable, threshold.draw, "runs of several --threshold"),
    "batch": Chart(batch.TITLE, batch.usable, batch.draw, "runs of several --batch-size"),
    "stages": Chart(stages.TITLE, stages.usable, stages.draw, "runs of `coda-eval run`, which are timed"),
}


def plottable(points: Sequence[Point]) -> list[str]:
    """The names of the charts that have something to say about these points."""
    return [name for name, chart in CHARTS.items() if chart.usable(points)]


def plot_points(
    points: Sequence[Point],
    out: Path | IO[bytes],
    *,
    chart: str = "frontier",
    style: str = "light",
    kind: str | None = None,
) -> None:
    """Draws one chart of these points.

    Args:
        points: of one task and protocol, as `read_points` gives them.
        out: a file, whose name decides the format unless `kind` does.
        chart: a name in `CHARTS`.
        style: `light` or `dark`.
        kind: `png`, `svg` or `pdf`.

    Raises:
        StoreError: none of the points is of the kind that the chart shows, or `out` cannot be written.
    """
    chosen = CHARTS[chart]
    usable = chosen.usable(points)
    if not usable:
        raise StoreError(f"chart {chart!r} needs {chosen.needs}; there are none among these {len(points)} points")
    with theme(style):
        save(chosen.draw(usable), out, kind=kind)
