"""The report as Markdown, its charts as SVG files beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from coda_eval.errors import StoreError
from coda_eval.plots import CHARTS, plot_points, plottable
from coda_eval.records import Status
from coda_eval.report.content import Report, Row, three_figures
from coda_eval.report.html import LETTERS


def write_markdown(report: Report, out: Path) -> None:
    """Writes the text, and the charts into a folder that is named like it.

    Raises:
        StoreError: something cannot be written.
    """
    charts = out.with_name(f"{out.stem}-charts")
    try:
        charts.mkdir(exist_ok=True)
        links = []
        for name in plottable(report.points):
            plot_points(report.points, charts / f"{name}.svg", chart=name)
            links.append(f"![{CHARTS[name].title}]({charts.name}/{name}.svg)")
        out.write_text("\n".join(_lines(report, links)) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{out} cannot be written ({error.strerror or error}); choose another --markdown") from error


def _lines(report: Report, links: Sequence[str]) -> Iterator[str]:
    yield f"# {report.task}"
    yield ""
    yield report.subject
    yield ""
    yield from (f"- {line}" for line in report.summary)
    yield ""
    if links:
        yield "## Charts"
        yield ""
        yield from links
        yield ""
    yield "## Points"
    yield ""
    yield from points_table(report.rows)
    yield ""
    yield (
        "★: the Pareto front; nothing is faster and at least as good. "
        "Seconds: the median of the repeats, with their range."
    )
    yield ""
    yield "## Problems that flip"
    yield ""
    yield from _grid(report)
    if report.published:
        yield ""
        yield "## Published figures"
        yield ""
        yield from _published(report)
    yield ""
    yield "## What made each point"
    for point in report.points:
        yield ""
        yield f"<details><summary>{point.name}</summary>"
        yield ""
        yield "```json"
        yield json.dumps(point.runs[0].run.manifest, indent=2, sort_keys=True)
        yield "```"
        yield ""
        yield "</details>"


def points_table(rows: Sequence[Row]) -> Iterator[str]:
    """The table of points alone."""
    yield from _table(
        [
            "",
            "point",
            "pass@1",
            "95 %",
            "s a completion",
            "batch p50",
            "p90",
            "p99",
            "total s",
            "compile s",
            "tokens/s",
            "tokens a forward",
            "repeats",
        ],
        (
            [
                "★" if row.on_front else "",
                row.label,
                "" if row.accuracy.value is None else f"{row.accuracy.value:.3f}",
                "" if row.accuracy.ci95 is None else f"{row.accuracy.ci95[0]:.3f} to {row.accuracy.ci95[1]:.3f}",
                _seconds(row),
                *(
                    "" if each is None else three_figures(each)
                    for each in (
                        row.p50_s,
                        row.p90_s,
                        row.p99_s,
                        row.total_s,
                        row.compile_s,
                        row.tokens_per_s,
                        row.tokens_per_forward,
                    )
                ),
                str(row.repeats),
            ]
            for row in rows
        ),
    )


def _seconds(row: Row) -> str:
    if row.seconds is None:
        return ""
    low, high = row.seconds.low, row.seconds.high
    return three_figures(row.seconds.median) + (
        f" ({three_figures(low)} to {three_figures(high)})" if low != high else ""
    )


def _grid(report: Report) -> Iterator[str]:
    """The problems that some points solve and others do not; the others say nothing about the points."""
    cells: dict[int, list[str]] = {
        problem: [""] * len(report.rows) for problem, flips in enumerate(report.flips) if flips
    }
    if not cells:
        yield "None: every point solves the same problems."
        return
    for column, views in enumerate(report.samples):
        for problem in cells:
            statuses = [view.status for view in views if view.problem == problem]
            if len(statuses) == 1:
                cells[problem][column] = "?" if statuses[0] is None else LETTERS[statuses[0]]
            elif statuses:
                cells[problem][column] = f"{statuses.count(Status.PASSED)}/{len(statuses)}"
    yield from _table(
        ["problem", *(row.label for row in report.rows)],
        ([report.problems[problem], *row] for problem, row in cells.items()),
    )
    yield ""
    yield "Signs: " + ", ".join(f"{letter} {status.replace('_', ' ')}" for status, letter in LETTERS.items()) + "."


def _published(report: Report) -> Iterator[str]:
    yield from _table(
        ["model", "published", "measured", "difference", "95 %", "note"],
        (
            [
                each.cell.model,
                f"{each.cell.percent}",
                *(
                    ["not measured here", "", ""]
                    if each.point is None or each.difference is None or each.difference.ci95 is None
                    else [
                        f"{100 * (each.point.accuracy.value or 0):.1f}",
                        f"{each.difference.value:+.1f}",
                        f"{each.difference.ci95[0]:+.1f} to {each.difference.ci95[1]:+.1f}",
                    ]
                ),
                each.note,
            ]
            for each in report.published
        ),
    )


def _table(headings: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(_escaped(heading) for heading in headings) + " |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield "| " + " | ".join(_escaped(cell) for cell in row) + " |"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
