"""How charts look, and how they are written."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import matplotlib

matplotlib.use("Agg")  # files only, never a window
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from coda_eval.errors import StoreError
from coda_eval.points import Point, Series, group_series
from coda_eval.records import Status

FORMATS = (".png", ".svg", ".pdf")
THEMES = ("light", "dark")
MARKERS = "osD^vP*X"
DASHES = ("-", "--", ":", "-.")
MOST_LINES = 6
STATUS_COLOURS = {
    Status.PASSED: "#009E73",
    Status.FAILED: "#D55E00",
    Status.SYNTAX_ERROR: "#CC79A7",
    Status.TIMEOUT: "#E69F00",
    Status.OUT_OF_MEMORY: "#56B4E9",
    Status.OUTPUT_LIMIT: "#0072B2",
    Status.KILLED: "#777777",
    Status.NO_CODE: "#AAAAAA",
}
_FOLDER = Path(__file__).resolve().parent


@contextlib.contextmanager
def theme(name: str) -> Iterator[None]:
    """Everything drawn inside looks like `light` or `dark`."""
    with plt.style.context(_FOLDER / f"{name}.mplstyle"):
        yield


def save(figure: plt.Figure, out: Path | IO[bytes], *, kind: str | None = None) -> None:
    """Writes and closes a figure.

    Raises:
        StoreError: `out` cannot be written.
    """
    try:
        # No date: the same runs give the same bytes.
        metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
        suffix = kind or (out.suffix[1:] if isinstance(out, Path) else "png")
        figure.savefig(out, format=suffix, metadata=metadata.get(suffix))
    except OSError as error:
        raise StoreError(f"{out} cannot be written ({error.strerror or error}); choose another --out") from error
    finally:
        plt.close(figure)


def palette() -> list[str]:
    """The colours of the theme, in order."""
    colours: list[str] = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    return colours


def line_styles(lines: Sequence[Series]) -> list[dict[str, str]]:
    """The looks of each line: the colour is the model's, marker and dashes tell its lines apart, also in grey."""
    colours = palette()
    models = list(dict.fromkeys(line.points[0].model for line in lines))
    styles = []
    for index, line in enumerate(lines):
        model = line.points[0].model
        nth_of_model = sum(other.points[0].model == model for other in lines[:index])
        styles.append(
            {
                "color": colours[models.index(model) % len(colours)],
                "marker": MARKERS[index % len(MARKERS)],
                "linestyle": DASHES[nth_of_model % len(DASHES)],
            }
        )
    return styles


def legend_below(figure: plt.Figure) -> None:
    """One legend for the figure, where it hides nothing."""
    entries = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(entries.values(), entries.keys(), loc="outside lower left", ncols=2)


def at_one_batch_size(points: list[Point]) -> list[Point]:
    """The points of the commonest batch size, where a line for each would be more than a chart can tell apart."""
    if len(group_series(points)) <= MOST_LINES:
        return points
    sizes = Counter(point.settings.get("batch_size") for point in points)
    ((commonest, _),) = sizes.most_common(1)
    return [point for point in points if point.settings.get("batch_size") == commonest]


def accuracy_axis(axes: Axes) -> None:
    """pass@1 from 0, so that a difference looks as large as it is."""
    axes.set_ylabel("pass@1")
    axes.set_ylim(-0.02, 1.02)  # room for a mark at either end
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))


def categories_on_log_axis(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic x axis whose ticks are exactly the values that were measured."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(values))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def interval_bars(points: Sequence[Point]) -> list[list[float]]:
    """The 95 % intervals as distances below and above, for `errorbar`."""
    below, above = [], []
    for point in points:
        value, ci95 = point.accuracy.value or 0.0, point.accuracy.ci95 or (0.0, 0.0)
        below.append(max(0.0, value - ci95[0]))
        above.append(max(0.0, ci95[1] - value))
    return [below, above]


def readable_seconds(axis: matplotlib.axis.Axis) -> None:
    """Ticks of a logarithmic axis as plain numbers at 1, 2 and 5 of each decade."""
    axis.set_major_locator(matplotlib.ticker.LogLocator(base=10, subs=(1, 2, 5), numticks=20))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def heading(points: Sequence[Point], what: str) -> str:
    """The title of a chart: what it shows, of which task."""
    first = points[0].metrics
    sizes = {point.settings.get("batch_size") for point in points} - {None}
    batch = f", batch size {sizes.pop()}" if len(sizes) == 1 else ""
    return f"{what}\n{first.task}, {first.problems} problems, protocol {first.protocol}{batch}"


def hardware_note(points: Sequence[Point]) -> str:
    """The hardware, where all points have the same."""
    found = {point.hardware for point in points}
    return found.pop() if len(found) == 1 else "several machines"
