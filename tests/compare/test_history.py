"""Checkpoints in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from compare.judged_runs import outcomes, write_run

from coda_eval.compare.evidence import Evidence, Outcome
from coda_eval.compare.history import trace_evidence, trace_history
from coda_eval.compare.history_chart import plot_history
from coda_eval.errors import ConfigError, StoreError
from coda_eval.records import Status

PROBLEMS = 60


@pytest.fixture
def checkpoints(tmp_path: Path) -> list[Path]:
    """Better, better, much worse, recovered; named in no order of the alphabet."""
    return [
        write_run(tmp_path / f"step-{step}", outcomes(*range(solved), problems=PROBLEMS), model="m")
        for step, solved in ((1000, 45), (500, 20), (1500, 20), (2000, 44))
    ]


def test_checkpoints_stand_in_the_order_of_training(checkpoints: list[Path]) -> None:
    """With their intervals, each against the best before it."""
    history = trace_history(checkpoints)
    assert [point.position for point in history.checkpoints] == [500, 1000, 1500, 2000]
    assert [point.against and point.against.best for point in history.checkpoints] == [None, 0, 1, 1]
    assert history.checkpoints[1].estimate.value == 0.75
    assert history.checkpoints[1].estimate.ci95 is not None


def test_the_first_that_is_worse_than_the_best_before_it_is_named(checkpoints: list[Path]) -> None:
    """Not the last one, which is not shown to be worse."""
    history = trace_history(checkpoints)
    assert history.first_worse is not None
    assert history.first_worse.position == 1500


def test_the_number_in_the_models_name_goes_before_that_of_the_directory(tmp_path: Path) -> None:
    """`checkpoint-300` in a directory called `run-1`."""
    runs = [
        write_run(tmp_path / f"run-{index}", outcomes(0, problems=3), model=f"out/checkpoint-{step}")
        for index, step in enumerate((300, 100, 200))
    ]
    assert [point.position for point in trace_history(runs).checkpoints] == [100, 200, 300]


def test_without_steps_the_dates_decide(tmp_path: Path) -> None:
    """Of the start of the run."""
    runs = [
        write_run(tmp_path / name, outcomes(0, problems=3), model="m", started=f"2026-01-{day}T00:00:00+00:00")
        for name, day in (("a", "03"), ("b", "01"), ("c", "02"))
    ]
    history = trace_history(runs)
    assert not history.by_step
    assert [point.run.source.name for point in history.checkpoints] == ["b", "c", "a"]


def test_without_steps_or_dates_the_order_is_unknown(tmp_path: Path) -> None:
    """The message says what to do."""
    runs = [write_run(tmp_path / name, outcomes(0, problems=3)) for name in ("a", "b")]
    for run in runs:
        (run / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"neither training step nor date.*step-1500"):
        trace_history(runs)


def test_checkpoints_that_do_not_differ_are_rarely_called_worse() -> None:
    """200 histories of eight: the best so far is partly luck, and that is allowed for."""
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        rates = generator.beta(0.6, 0.5, size=PROBLEMS)
        runs = [
            Evidence(
                source=Path(f"step-{step}"),
                model=f"step-{step}",
                task="mini",
                protocol="human-eval",
                settings={},
                settings_are_whole=True,
                suites={
                    "base": {
                        f"mini/{number}": {0: Outcome(Status.PASSED if passed else Status.FAILED, "")}
                        for number, passed in enumerate(generator.random(PROBLEMS) < rates)
                    }
                },
            )
            for step in range(8)
        ]
        alarms += trace_evidence(runs).first_worse is not None
    assert alarms <= 0.05 * 200 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_runs_that_do_not_compare_make_no_history(tmp_path: Path, checkpoints: list[Path]) -> None:
    """As in `compare`."""
    other = write_run(tmp_path / "step-9", outcomes(0, problems=PROBLEMS), protocol="coda-paper")
    with pytest.raises(ConfigError, match="protocol is"):
        trace_history([*checkpoints, other])


@pytest.mark.parametrize("metric", ["pass@3", "plus/pass@1", "pass@10"])
def test_a_metric_that_is_not_there_is_refused(checkpoints: list[Path], metric: str) -> None:
    """With what there is."""
    with pytest.raises(ConfigError, match="--metric"):
        trace_history(checkpoints, metric=metric)


def test_a_single_checkpoint_is_a_history(checkpoints: list[Path]) -> None:
    """The first of a training."""
    history = trace_history(checkpoints[:1])
    assert history.checkpoints[0].against is None
    assert history.first_worse is None


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
@pytest.mark.parametrize("by_step", [True, False])
def test_a_history_becomes_a_chart(tmp_path: Path, suffix: str, by_step: bool) -> None:
    """Over steps or dates, in each format."""
    runs = [
        write_run(
            tmp_path / (f"step-{day}" if by_step else "abc"[day]),
            outcomes(*range(solved), problems=PROBLEMS),
            model="m",
            started=f"2026-01-0{day + 1}T00:00:00+00:00",
        )
        for day, solved in enumerate((40, 50, 20))
    ]
    out = tmp_path / f"chart.{suffix}"
    plot_history(trace_history(runs), out)
    assert out.stat().st_size > 5_000


def test_a_chart_of_another_format_is_refused(tmp_path: Path, checkpoints: list[Path]) -> None:
    """Before it is drawn."""
    with pytest.raises(ConfigError, match="png"):
        plot_history(trace_history(checkpoints), tmp_path / "chart.bmp")
