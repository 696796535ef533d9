"""Charts of run directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from coda_eval.errors import StoreError
from coda_eval.plots import plot_run, plot_runs
from coda_eval.records import Sample, Status, Verdict
from coda_eval.scoring import compute_metrics
from coda_eval.store import RunWriter


def finished_run(path: Path, *, task: str = "mini", device: str = "cpu", passed: int = 3, timed: bool = True) -> Path:
    """A run of five samples."""
    with RunWriter(path, identity={"task": task}, facts={"device": device, "config": {"model": "a-model"}}) as writer:
        for number in range(5):
            sample = Sample(
                task_id=f"{task}/{number}",
                sample=0,
                prompt_sha256="",
                completion="",
                solution="",
                stop_reason="length",
                tokens=10 + number if timed else None,
                latency_s=2.0 if timed else None,
                batch=0 if timed else None,
            )
            status = Status.PASSED if number < passed else Status.FAILED
            writer.append_sample(sample)
            writer.append_verdict(Verdict(task_id=sample.task_id, sample=0, suite="base", status=status))
        writer.write_metrics(
            compute_metrics(
                writer.run.samples(), writer.run.verdicts(), task=task, protocol="human-eval", suites=["base"]
            )
        )
    return path


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_run_becomes_a_chart(tmp_path: Path, suffix: str) -> None:
    """In each format."""
    out = tmp_path / f"chart.{suffix}"
    plot_run(finished_run(tmp_path / "run"), out)
    assert out.stat().st_size > 3_000


def test_completions_from_elsewhere_have_a_chart_too(tmp_path: Path) -> None:
    """Without lengths or latency."""
    plot_run(finished_run(tmp_path / "run", timed=False), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").exists()


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    """The message says how to finish it."""
    run = finished_run(tmp_path / "run")
    (run / "metrics.json").unlink()
    with pytest.raises(StoreError, match="not finished"):
        plot_run(run, tmp_path / "chart.png")


@pytest.mark.parametrize(
    ("change", "says"),
    [({"task": "humaneval"}, "tasks"), ({"device": "tpu"}, "devices"), ({"timed": False}, "latency")],
)
def test_runs_that_do_not_compare_are_not_drawn_together(tmp_path: Path, change: dict[str, object], says: str) -> None:
    """Other tasks, other devices, no latency."""
    first = finished_run(tmp_path / "first")
    second = finished_run(tmp_path / "second", **change)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=says):
        plot_runs([first, second], tmp_path / "chart.png")


def test_several_runs_become_one_chart(tmp_path: Path) -> None:
    """Accuracy against latency."""
    runs = [finished_run(tmp_path / str(passed), passed=passed) for passed in (1, 3, 5)]
    plot_runs(runs, tmp_path / "chart.svg")
    assert (tmp_path / "chart.svg").stat().st_size > 10_000


def test_a_chart_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """One line, no traceback."""
    with pytest.raises(StoreError, match="cannot be written"):
        plot_run(finished_run(tmp_path / "run"), tmp_path / "missing" / "chart.png")
