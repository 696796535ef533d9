"""Charts of finished runs."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from finished_runs import finished_run

from coda_eval.cli.plot import CHART_NAMES, SUFFIXES, THEME_NAMES
from coda_eval.errors import StoreError
from coda_eval.plots import CHARTS, FORMATS, THEMES, plot_points, plot_run, plottable
from coda_eval.plots.batch import crossings
from coda_eval.plots.style import theme
from coda_eval.points import Point, group_series, read_points


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    """Steps, thresholds and batch sizes of one model, and a baseline that loses to it at batch size 1 only."""
    root = tmp_path_factory.mktemp("points")
    runs = [
        finished_run(root / f"steps-{steps}", solved=solved, seconds=steps / 10, sampler={"steps": steps})
        for steps, solved in ((2, 1), (4, 2), (8, 4))
    ]
    runs += [
        finished_run(root / f"threshold-{value}", solved=4, seconds=value / 4, sampler={"threshold": value})
        for value in (0.7, 0.9)
    ]
    runs += [
        finished_run(root / f"batch-{size}", solved=4, seconds=1.6, batch_size=size, sampler={"steps": 8})
        for size in (1, 2)
    ]
    runs += [
        finished_run(
            root / f"ar-{size}",
            model="baseline",
            solved=5,
            seconds=3.2 / size**1.5,
            batch_size=size,
            sampler={"algorithm": "autoregressive", "steps": 16},
        )
        for size in (1, 2, 5)
    ]
    return read_points(runs)


def test_every_chart_has_something_to_say_about_a_whole_sweep(points: list[Point]) -> None:
    """In the order of the report."""
    assert plottable(points) == list(CHARTS)


@pytest.mark.parametrize("chart", list(CHARTS))
def test_every_chart_can_be_drawn(points: list[Point], chart: str) -> None:
    """With labelled axes and a title that names task and protocol."""
    chosen = CHARTS[chart]
    with theme("light"):
        figure = chosen.draw(chosen.usable(points))
    try:
        assert "mini, 5 problems, protocol human-eval" in figure.axes[0].get_title(loc="left")
        assert figure.axes[-1].get_xlabel()
    finally:
        plt.close(figure)


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_chart_is_written_in_the_format_of_its_name(
    points: list[Point], tmp_path: Path, suffix: str, magic: bytes
) -> None:
    """PNG, SVG, PDF."""
    out = tmp_path / f"chart.{suffix}"
    plot_points(points, out)
    assert out.read_bytes().startswith(magic)


def test_the_themes_differ(points: list[Point]) -> None:
    """A dark page has a dark ground."""
    pages = []
    for style in ("light", "dark"):
        buffer = io.BytesIO()
        plot_points(points, buffer, style=style, kind="svg")
        pages.append(buffer.getvalue())
    assert b"#16181d" in pages[1]
    assert b"#16181d" not in pages[0]


def test_the_published_points_stand_beside_those_of_their_task_only(tmp_path: Path, points: list[Point]) -> None:
    """Figure 3 is of HumanEval."""
    runs = [finished_run(tmp_path / str(n), task="humaneval", sampler={"steps": n}) for n in (4, 8)]
    labels = []
    for shown in (read_points(runs), CHARTS["steps"].usable(points)):
        figure = CHARTS["steps"].draw(shown)
        labels.append(figure.axes[0].get_legend_handles_labels()[1])
        plt.close(figure)
    assert any("published" in label for label in labels[0])
    assert not any("published" in label for label in labels[1])


def test_the_crossover_lies_between_the_sizes_where_the_order_changes(points: list[Point]) -> None:
    """The diffusion model is ahead at 1 and behind at 2."""
    lines = group_series(CHARTS["batch"].usable(points), apart_by=["batch_size"])
    baseline = next(line for line in lines if line.points[0].autoregressive)
    diffusion = next(line for line in lines if not line.points[0].autoregressive)
    (crossing,) = crossings(diffusion, baseline)
    assert 1 < crossing.batch_size < 2


def test_a_chart_that_has_nothing_to_show_says_what_it_needs(tmp_path: Path) -> None:
    """Completions from elsewhere have no time."""
    points = read_points([finished_run(tmp_path / "run", seconds=None)])
    with pytest.raises(StoreError, match="timed"):
        plot_points(points, tmp_path / "chart.png")


@pytest.mark.parametrize("seconds", [0.4, None])
def test_a_run_becomes_a_chart(tmp_path: Path, seconds: float | None) -> None:
    """Also one of completions from elsewhere."""
    plot_run(finished_run(tmp_path / "run", seconds=seconds), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 3_000


def test_a_chart_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """One line, no traceback."""
    with pytest.raises(StoreError, match="cannot be written"):
        plot_run(finished_run(tmp_path / "run"), tmp_path / "missing" / "chart.png")


def test_the_command_line_offers_every_chart_in_every_form() -> None:
    """Its lists stand apart, because `--help` must not load matplotlib."""
    assert tuple(CHARTS) == CHART_NAMES
    assert THEMES == THEME_NAMES
    assert FORMATS == SUFFIXES
