"""The order in which a model writes a program: each token at its place in the text, coloured by the step it came in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from coda_eval.errors import StoreError
from coda_eval.plots.style import save, theme
from coda_eval.records import Trace
from coda_eval.store.traces import read_traces

_COLOURS = "viridis"
_WIDEST = 100
"""Characters of a line; what is longer is cut."""
_FRAMES = 60
"""Of an animation, at most."""


def plot_trace(directory: Path, out: Path, *, task_id: str | None = None, style: str = "light") -> None:
    """Draws the text of one completion, or as a `.gif` how it came about.

    Args:
        directory: a run with traces.
        out: a picture, or a `.gif`.
        task_id: which one; the first with a text of more than one token where it is None.
        style: `light` or `dark`.

    Raises:
        StoreError: there is no such trace, or `out` cannot be written.
    """
    trace = _choose(read_traces(directory), task_id)
    with theme(style):
        places = _lay_out(trace.pieces)
        lines = max((line for line, _, _ in places), default=0) + 1
        columns = max((column + len(text) for _, column, text in places), default=1)
        figure, axes = plt.subplots(figsize=(0.09 * max(columns, 40) + 1.2, 0.2 * lines + 1.0))
        figure.suptitle(
            f"{trace.task_id}: {len(trace.pieces)} tokens in {len(set(trace.committed_at))} steps", fontsize=10
        )
        last = max(trace.committed_at, default=0)
        figure.colorbar(
            matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, max(last, 1)), _COLOURS),
            ax=axes,
            label="step",
            fraction=0.03,
        )

        def draw(step: int) -> None:
            axes.clear()
            _draw(axes, trace, places, step=step, lines=lines, columns=columns)

        if out.suffix != ".gif":
            draw(last)
            save(figure, out)
            return
        steps = sorted(set(trace.committed_at))
        steps = steps[:: max(1, -(-len(steps) // _FRAMES))]
        try:
            FuncAnimation(figure, draw, frames=[*steps, *[last] * 5]).save(out, writer=PillowWriter(fps=8))
        except OSError as error:
            raise StoreError(f"{out} cannot be written ({error.strerror or error}); choose another --out") from error
        finally:
            plt.close(figure)


def _choose(traces: Sequence[Trace], task_id: str | None) -> Trace:
    if task_id is None:
        return next((trace for trace in traces if len(trace.pieces) > 1), traces[0])
    for trace in traces:
        if trace.task_id == task_id:
            return trace
    raise StoreError(f"the run has no trace of {task_id!r}; it has {traces[0].task_id!r}, and {len(traces) - 1} more")


def _lay_out(pieces: Sequence[str]) -> list[tuple[int, int, str]]:
    """Line, column and text of each piece; a line break is shown where it stands."""
    places, line, column = [], 0, 0
    for piece in pieces:
        shown = piece.replace("\n", "⏎").replace("\t", "    ")
        places.append((line, column, shown))
        if "\n" in piece:
            line, column = line + 1, 0
        else:
            column += len(shown)
            if column >= _WIDEST:
                line, column = line + 1, 0
    return places


def _draw(
    axes: Axes, trace: Trace, places: Sequence[tuple[int, int, str]], *, step: int, lines: int, columns: int
) -> None:
    colours, last = matplotlib.colormaps[_COLOURS], max(trace.committed_at, default=0)
    for (line, column, text), at in zip(places, trace.committed_at, strict=True):
        share = at / max(last, 1)
        colour = colours(share) if at <= step else (0.5, 0.5, 0.5, 0.15)
        axes.add_patch(Rectangle((column, line), len(text), 0.9, color=colour, linewidth=0))
        if at <= step:
            axes.text(
                column,
                line + 0.45,
                text.replace("$", r"\$"),
                family="monospace",
                fontsize=7,
                va="center",
                color="black" if share > 0.6 else "white",
            )
    axes.set_xlim(0, max(columns, 40))
    axes.set_ylim(lines, -0.2)
    axes.set_axis_off()
