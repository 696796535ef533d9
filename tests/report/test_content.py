"""What a report says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from finished_runs import finished_run, sweep_directory

from coda_eval.points import read_failures, read_points
from coda_eval.records import Estimate, Status, Trace
from coda_eval.report import build_report, write_html, write_markdown
from coda_eval.report.published import difference
from coda_eval.store.traces import append_traces


def test_problems_that_flip_are_those_that_some_points_solve(tmp_path: Path) -> None:
    """The first two are solved by both points, the last by none."""
    runs = [finished_run(tmp_path / str(n), solved=n, sampler={"steps": n}) for n in (2, 4)]
    report = build_report(read_points(runs))
    assert report.flips == [False, False, True, True, False]


def test_the_front_is_unknown_across_machines(tmp_path: Path) -> None:
    """A time on one does not beat a time on another."""
    runs = [finished_run(tmp_path / device, device=device) for device in ("A100", "H100")]
    assert [row.on_front for row in build_report(read_points(runs)).rows] == [None, None]


def test_rows_of_equal_names_say_what_differs(tmp_path: Path) -> None:
    """Labels are unique, because the grid refers to points by them."""
    runs = [finished_run(tmp_path / str(size), batch_size=size) for size in (1, 5)]
    labels = [row.label for row in build_report(read_points(runs)).rows]
    assert labels == ["a-model steps 8, batch size 1", "a-model steps 8, batch size 5"]


def test_the_measured_stands_beside_the_published(tmp_path: Path) -> None:
    """Where the checkpoint of a row was run."""
    model = "Salesforce/CoDA-v0-Instruct"
    run = finished_run(tmp_path / "run", model=model, task="humaneval", problems=164, solved=90)
    report = build_report(read_points([run]))
    (found,) = [each for each in report.published if each.point is not None]
    assert (found.cell.model, found.cell.percent) == ("CoDA-1.7B-Instruct", 54.3)
    assert found.difference is not None
    assert found.difference.value == pytest.approx(100 * 90 / 164 - 54.3)


def test_the_difference_of_equal_scores_has_an_interval_around_zero() -> None:
    """About 11 points on 164 problems on each side."""
    estimate = difference(Estimate(value=0.5, ci95=(0.424, 0.576)), 50.0, 164)
    assert estimate.value == 0
    assert estimate.ci95 == pytest.approx((-10.7, 10.7), abs=0.2)


def test_an_unknown_score_has_no_difference() -> None:
    """Not 0 minus the published one."""
    assert difference(Estimate(value=None, ci95=None), 50.0, 164).value is None


def test_the_markdown_has_the_numbers_of_the_metrics(tmp_path: Path) -> None:
    """And its charts beside it."""
    point = read_points([finished_run(tmp_path / "run", solved=4)])
    write_markdown(build_report(point), tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text()
    assert "| a-model steps 8 | 0.800 |" in text
    assert "(report-charts/frontier.svg)" in text
    assert (tmp_path / "report-charts" / "frontier.svg").exists()


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """A completion cannot end the element that it is stored in, and lone surrogates survive."""
    hostile = "</script><script>alert(1)</script>\ud800\u2028|"
    run = finished_run(tmp_path / "run", completion=hostile, problems=1, model="<b>model</b>")
    write_html(build_report(read_points([run])), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in page
    assert "<b>model" not in page


def test_the_order_of_commitment_is_shown_where_it_was_recorded(tmp_path: Path) -> None:
    """With the sample that it belongs to."""
    run = finished_run(tmp_path / "run", problems=2)
    append_traces(run, [Trace(task_id="mini/1", sample=0, pieces=("a", "b"), committed_at=(1, 0))])
    (views,) = build_report(read_points([run])).samples
    assert [view.trace and view.trace.committed_at for view in views] == [None, (1, 0)]


def test_points_that_failed_are_told_until_they_are_done(tmp_path: Path) -> None:
    """With their last error."""
    sweep = sweep_directory(tmp_path / "sweep")
    finished_run(sweep / "points" / "done")
    rows = [{"point": "done", "error": "lost"}, {"point": "big", "error": "slow"}, {"point": "big", "error": "memory"}]
    (sweep / "failures.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = build_report(read_points([sweep]), read_failures([sweep]))
    assert [line for line in report.summary if "Not measured" in line] == ["Not measured: big, memory."]


def test_every_status_has_a_sign_of_its_own() -> None:
    """The grid is read without colour too."""
    from coda_eval.report.html import LETTERS

    assert set(LETTERS) == set(Status)
    assert len(set(LETTERS.values())) == len(LETTERS)


def test_completions_from_elsewhere_have_a_report_too(tmp_path: Path) -> None:
    """Without times, charts and hardware."""
    run = finished_run(tmp_path / "run", seconds=None, device="")
    report = build_report(read_points([run]))
    assert report.subject == "Protocol human-eval, 5 problems, 1 point."
    write_html(report, tmp_path / "report.html")
    assert "<figure>" not in (tmp_path / "report.html").read_text()
    write_markdown(report, tmp_path / "report.md")
    assert "## Charts" not in (tmp_path / "report.md").read_text()
