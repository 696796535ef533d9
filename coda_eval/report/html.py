"""The report as one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from coda_eval.errors import StoreError
from coda_eval.plots import CHARTS, plot_points, plottable
from coda_eval.records import Status
from coda_eval.report.content import Report, Row, SampleView, three_figures

TEMPLATES = Path(__file__).resolve().parent / "templates"
LETTERS = {
    Status.PASSED: "✓",
    Status.FAILED: "✗",
    Status.TIMEOUT: "T",
    Status.OUT_OF_MEMORY: "M",
    Status.OUTPUT_LIMIT: "O",
    Status.KILLED: "K",
    Status.SYNTAX_ERROR: "S",
    Status.NO_CODE: "∅",
}
"""How a status looks in the grid: told apart without colour."""


def write_html(report: Report, out: Path) -> None:
    """Writes the page.

    Raises:
        StoreError: `out` cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["figures"] = three_figures
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    page = environment.get_template("report.html.j2").render(
        report=report,
        rows=[_row(row) for row in report.rows],
        columns=list(report.rows[0].settings),
        charts=_charts(report),
        letters={status.value: letter for status, letter in LETTERS.items()},
        manifests=[_manifest(point.name, point.runs[0].run.manifest) for point in report.points],
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        script=script,
        # Only this script runs, whatever a completion contains.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=_json(
            {
                "problems": report.problems,
                "flips": report.flips,
                "labels": [row.label for row in report.rows],
                "letters": LETTERS,
            }
        ),
        # One block a point, read when the point is first looked at: parsing all at once would delay the page.
        samples=[_json([_sample(view) for view in views]) for views in report.samples],
        outcomes=_json([_outcomes(views, len(report.problems)) for views in report.samples]),
    )
    try:
        out.write_text(page, encoding="utf-8", errors="xmlcharrefreplace")
    except OSError as error:
        raise StoreError(f"{out} cannot be written ({error.strerror or error}); choose another --html") from error


def _row(row: Row) -> dict[str, Any]:
    seconds = row.seconds
    return {
        **{field.name: getattr(row, field.name) for field in dataclasses.fields(row)},
        "ci95": row.accuracy.ci95,
        "value": row.accuracy.value,
        "seconds": seconds.median if seconds else None,
        "spread": (seconds.low, seconds.high) if seconds and seconds.low != seconds.high else None,
    }


def _charts(report: Report) -> list[dict[str, str]]:
    """SVG files as data, for a light and for a dark page."""
    charts = []
    for name in plottable(report.points):
        images = {}
        for theme in ("light", "dark"):
            buffer = io.BytesIO()
            plot_points(report.points, buffer, chart=name, style=theme, kind="svg")
            images[theme] = "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
        charts.append({"title": CHARTS[name].title, **images})
    return charts


def _outcomes(views: Sequence[SampleView], problems: int) -> list[list[str | None]]:
    """The statuses of each problem's samples."""
    outcomes: list[list[str | None]] = [[] for _ in range(problems)]
    for view in views:
        outcomes[view.problem].append(view.status.value if view.status else None)
    return outcomes


def _sample(view: SampleView) -> dict[str, Any]:
    return {
        "problem": view.problem,
        "seed": view.seed,
        "sample": view.sample,
        "status": view.status,
        "completion": view.completion,
        "solution": view.solution,
        "stop_reason": view.stop_reason,
        "tokens": view.tokens,
        "forwards": view.forwards,
        "verdicts": [
            {"suite": each.suite, "status": each.status, "detail": each.detail, "cpu_s": round(each.cpu_s, 3)}
            for each in view.verdicts
        ],
        "trace": None if view.trace is None else {"pieces": view.trace.pieces, "steps": view.trace.committed_at},
    }


def _manifest(name: str, manifest: Mapping[str, Any]) -> tuple[str, str]:
    return name, json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False)


def _json(value: object) -> str:
    """JSON that cannot end the script element that it stands in. ASCII, so that lone surrogates survive."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
