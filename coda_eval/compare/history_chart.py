"""The chart of a history: values with 95 % intervals over training steps or dates, and what is worse than before."""

from __future__ import annotations

import datetime
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import PercentFormatter

from coda_eval.compare.history import History, say_position
from coda_eval.compare.wording import say_p_value, say_points
from coda_eval.errors import ConfigError
from coda_eval.plots.style import FORMATS, palette, save, theme

_WORSE = "#D55E00"


def plot_history(history: History, out: Path) -> None:
    """Writes the chart.

    Raises:
        ConfigError: the name of `out` is of no known format.
        StoreError: `out` cannot be written.
    """
    if out.suffix not in FORMATS:
        raise ConfigError(f"--out is {out}; its name must end in {', '.join(FORMATS)}")
    with theme("light"):
        save(_draw(history), out)


def _draw(history: History) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    points = history.checkpoints
    where = [_coordinate(point.position) for point in points]
    values = [point.estimate.value or 0.0 for point in points]
    lows, highs = zip(*(point.estimate.ci95 or (0.0, 0.0) for point in points), strict=True)
    below = [value - low for value, low in zip(values, lows, strict=True)]
    above = [high - value for value, high in zip(values, highs, strict=True)]
    colour = palette()[0]
    best = [max(values[: index + 1]) for index in range(len(values))]
    axes.step(where, best, where="post", color="#888888", linestyle="--", linewidth=1, label="best so far")
    axes.errorbar(where, values, yerr=[below, above], color=colour, marker="o", capsize=3, label=history.metric)
    worse = [index for index, point in enumerate(points) if point.is_worse]
    if worse:
        axes.scatter(
            [where[index] for index in worse],
            [values[index] for index in worse],
            s=130,
            facecolors="none",
            edgecolors=_WORSE,
            linewidths=1.8,
            zorder=3,
            label="worse than the best before",
        )
    first = history.first_worse
    if first is not None and first.against is not None:
        axes.set_title(
            f"first worse: {say_position(history, first)}, {say_points(first.against.difference)} points against "
            f"{say_position(history, points[first.against.best])} (p {say_p_value(first.against.p_adjusted)})",
            fontsize=9,
            color=_WORSE,
        )
    figure.suptitle(f"{history.task}, protocol {history.protocol}", fontsize=11)
    axes.set_ylabel(history.metric)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylim(max(0.0, min(lows) - 0.05), min(1.0, max(highs) + 0.05))
    if history.by_step:
        axes.set_xlabel("training step")
    else:
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.legend(loc="lower right")
    return figure


def _coordinate(position: int | str) -> float:
    return float(position) if isinstance(position, int) else float(date2num(datetime.datetime.fromisoformat(position)))
