"""`sweep`, `plot`, `report` and `paper` as a user meets them: exit codes, one-line errors, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from finished_runs import finished_run, sweep_directory

from coda_eval.cli.main import commands
from coda_eval.errors import CodaEvalError


def invoke(*arguments: str | Path) -> Result:
    """The command in this process; an error of ours is `result.exception`, which `main` prints in one line."""
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A sweep of three points."""
    directory = sweep_directory(tmp_path / "sweep")
    for steps in (2, 4, 8):
        finished_run(directory / "points" / str(steps), sampler={"steps": steps}, solved=steps // 2)
    return directory


def test_plot_draws_a_sweep(sweep: Path, tmp_path: Path) -> None:
    """By name of the chart; the path comes back as JSON."""
    out = tmp_path / "chart.svg"
    done = invoke("plot", sweep, "--chart", "steps", "--theme", "dark", "--out", out, "--json")
    assert json.loads(done.stdout) == {"chart": str(out)}
    assert out.exists()


def test_plot_draws_one_run(sweep: Path, tmp_path: Path) -> None:
    """What became of its samples."""
    assert invoke("plot", sweep / "points" / "4", "--out", tmp_path / "chart.png").exit_code == 0


def test_report_writes_both_forms(sweep: Path, tmp_path: Path) -> None:
    """Where it is told to."""
    page, text = tmp_path / "page.html", tmp_path / "text.md"
    done = invoke("report", sweep, "--html", page, "--markdown", text, "--json")
    assert json.loads(done.stdout) == {"html": str(page), "markdown": str(text), "points": 3, "problems": 5}
    assert page.exists()
    assert text.exists()


def test_report_goes_beside_the_runs_by_default(sweep: Path) -> None:
    """As a page."""
    assert invoke("report", sweep).exit_code == 0
    assert (sweep / "report.html").exists()


def test_paper_prints_every_figure_where_no_model_is_at_hand(tmp_path: Path) -> None:
    """With the command for each, and both readings of the headline."""
    done = invoke("paper", "--out", tmp_path / "out", "--models", tmp_path, "--json")
    lines = json.loads(done.stdout)["lines"]
    assert len(lines) == 52
    assert all(line["command"].startswith("coda-eval run --model ") for line in lines)
    assert "39.64 %" in (tmp_path / "out" / "paper.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["plot", "{tmp}", "--out", "{tmp}/c.png"], "is not a run", id="plot of no run"),
        pytest.param(["plot", "{sweep}", "--out", "{tmp}/c.jpeg"], ".png", id="unknown format"),
        pytest.param(
            ["plot", "{sweep}", "--chart", "batch", "--out", "{tmp}/c.png"], "--batch-size", id="no such data"
        ),
        pytest.param(
            ["plot", "{sweep}", "{other}", "--out", "{tmp}/c.png"], "different tasks", id="two tasks, plotted"
        ),
        pytest.param(["report", "{sweep}", "{other}"], "different tasks", id="two tasks, reported"),
        pytest.param(["report", "{sweep}", "--html", "{tmp}/no/page.html"], "cannot be written", id="nowhere to write"),
        pytest.param(["sweep", "--out", "{tmp}/s", "--steps", "4"], "names no task", id="sweep of no task"),
        pytest.param(["sweep", "--out", "{tmp}/s", "--task", "mini", "--steps", "4"], "names no model", id="no model"),
        pytest.param(
            ["sweep", "--out", "{tmp}/s", "--task", "mini", "--model", "coda-tiny"], "grid is empty", id="empty grid"
        ),
        pytest.param(
            ["sweep", "--out", "{tmp}/s", "--task", "mini", "--model", "coda-tiny", "--steps", ","],
            "grid is empty",
            id="no value",
        ),
        pytest.param(
            [
                "sweep",
                "--out",
                "{tmp}/s",
                "--task",
                "mini",
                "--model",
                "coda-tiny",
                "--steps",
                "4",
                "--baseline",
                "nobody",
            ],
            "no model 'nobody'",
            id="no such baseline",
        ),
        pytest.param(["sweep", "{tmp}/no.toml", "--out", "{tmp}/s"], "no such file", id="no such TOML"),
    ],
)
def test_bad_input_is_one_error_of_ours(sweep: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    """And nothing is left behind."""
    other = finished_run(tmp_path / "other", task="humaneval")
    done = invoke(*(text.format(tmp=tmp_path, sweep=sweep, other=other) for text in arguments))
    assert isinstance(done.exception, CodaEvalError)
    assert says in str(done.exception)
    assert not (tmp_path / "s").exists()
