"""One run: what became of its samples, and how long the completions are."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from coda_eval.plots.style import STATUS_COLOURS, save, theme
from coda_eval.points import Point, read_points
from coda_eval.records import Metrics, Status


def plot_run(directory: Path, out: Path, *, style: str = "light") -> None:
    """Charts one finished run.

    Raises:
        StoreError: the directory holds no finished run, or `out` cannot be written.
    """
    (point,) = read_points([directory])
    with theme(style):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(3, 2), squeeze=True)
        figure.suptitle(_title(point), fontsize=11, x=0.01, ha="left")
        _draw_statuses(left, point.metrics)
        _draw_lengths(right, point)
        save(figure, out)


def _title(point: Point) -> str:
    title = f"{point.model} on {point.metrics.task}"
    if point.accuracy.value is not None and point.accuracy.ci95 is not None:
        low, high = point.accuracy.ci95
        title += f": pass@1 {point.accuracy.value:.3f} ({low:.3f} to {high:.3f})"
    if point.seconds is not None:
        title += f"\n{point.seconds.median:.3g} s a completion on {point.hardware}"
    return title


def _draw_statuses(axes: Axes, metrics: Metrics) -> None:
    statuses = [status for status in Status if metrics.statuses.get(status)]
    counts = [metrics.statuses[status] for status in statuses]
    bars = axes.barh(
        [status.replace("_", " ") for status in statuses], counts, color=[STATUS_COLOURS[status] for status in statuses]
    )
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xlim(0, max(counts, default=1) * 1.12)
    axes.set_xlabel("samples")


def _draw_lengths(axes: Axes, point: Point) -> None:
    """How long the completions are, those that passed apart from the others."""
    run, suite = point.runs[0].run, list(point.metrics.pass_at_k)[-1]
    passed = {
        (verdict.task_id, verdict.sample)
        for verdict in run.verdicts()
        if verdict.suite == suite and verdict.status is Status.PASSED
    }
    lengths: dict[bool, list[int]] = {True: [], False: []}
    for sample in run.samples():
        if sample.tokens is not None:
            lengths[(sample.task_id, sample.sample) in passed].append(sample.tokens)
    if not any(lengths.values()):
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no lengths: completions from elsewhere", ha="center", va="center")
        return
    axes.hist(
        [lengths[True], lengths[False]],
        bins=16,
        stacked=True,
        color=[STATUS_COLOURS[Status.PASSED], STATUS_COLOURS[Status.FAILED]],
        label=["passed", "not passed"],
    )
    axes.set_xlabel("tokens of a completion")
    axes.set_ylabel("samples")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
