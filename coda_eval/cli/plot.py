"""`plot`: charts of runs and sweeps."""

from __future__ import annotations

import json
from pathlib import Path

import click

from coda_eval.cli.options import json_option
from coda_eval.errors import ConfigError

CHART_NAMES = ("frontier", "steps", "forwards", "threshold", "batch", "stages")
THEME_NAMES = ("light", "dark")
SUFFIXES = (".png", ".svg", ".pdf")


@click.command()
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .png, .svg or .pdf file.")
@click.option(
    "--chart",
    type=click.Choice(CHART_NAMES),
    help="What is drawn of several points.  [default: frontier; of one run, what became of its samples]",
)
@click.option("--trace", is_flag=True, help="Draw in which order a completion was written; as a .gif, moving.")
@click.option("--task-id", help="Whose completion, for --trace.  [default: the first]")
@click.option("--theme", type=click.Choice(THEME_NAMES), default="light", show_default=True, help="For which page.")
@json_option
def plot(
    directories: tuple[Path, ...],
    out: Path,
    chart: str | None,
    trace: bool,
    task_id: str | None,
    theme: str,
    as_json: bool,
) -> None:
    """Chart runs and sweeps.

    A sweep's directory stands for all its points. Runs of different tasks or protocols are refused; on different
    hardware they are drawn as lines of their own.
    """
    suffixes = (*SUFFIXES, ".gif") if trace else SUFFIXES
    if out.suffix not in suffixes:
        raise ConfigError(f"--out is {out}; its name must end in {', '.join(suffixes)}")
    if trace and (len(directories) > 1 or chart is not None):
        raise ConfigError("--trace draws a completion of one run: name one directory, and no --chart")
    from coda_eval.plots import plot_points, plot_run, plot_trace
    from coda_eval.points import read_points

    points = [] if trace else read_points(directories)
    if trace:
        plot_trace(directories[0], out, task_id=task_id, style=theme)
    elif chart is None and len(points) == 1:
        plot_run(points[0].runs[0].run.path, out, style=theme)
    else:
        plot_points(points, out, chart=chart or "frontier", style=theme)
    click.echo(json.dumps({"chart": str(out)}) if as_json else f"chart: {out}")
