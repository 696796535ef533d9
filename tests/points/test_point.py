"""Finished runs as points."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_runs import finished_run, sweep_directory

from coda_eval.errors import StoreError
from coda_eval.points import group_series, read_points


def test_a_sweep_stands_for_its_finished_points(tmp_path: Path) -> None:
    """What is not finished is left out, as a sweep that goes on may be charted."""
    sweep = sweep_directory(tmp_path / "sweep")
    for steps in (2, 4, 8):
        finished_run(sweep / "points" / str(steps), sampler={"steps": steps})
    (sweep / "points" / "8" / "metrics.json").unlink()
    assert [point.settings["steps"] for point in read_points([sweep])] == [2, 4]


def test_repeats_are_one_point_with_their_spread(tmp_path: Path) -> None:
    """They say nothing new about accuracy."""
    runs = [finished_run(tmp_path / str(index), seconds=seconds) for index, seconds in enumerate((0.5, 0.2, 0.3))]
    (point,) = read_points(runs)
    assert point.seconds == pytest.approx((0.3, 0.2, 0.5))
    assert point.accuracy == point.metrics.pass_at_k["base"]["pass@1"]
    assert len(point.seeds) == 1


def test_seeds_are_one_point_with_pooled_samples(tmp_path: Path) -> None:
    """pass@1 is the mean, and the interval narrower than that of one seed but not as of twice the problems."""
    first = finished_run(tmp_path / "0", solved=[0, 1, 2], sampler={"seed": 0})
    second = finished_run(tmp_path / "1", solved=[1, 2, 3, 4], sampler={"seed": 1})
    (point,) = read_points([first, second])
    assert point.accuracy.value == pytest.approx(0.7)
    assert len(point.seeds) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"task": "humaneval"}, "tasks", id="task"),
        pytest.param({"protocol": "evalplus"}, "protocols", id="protocol"),
        pytest.param({"problems": 3}, "--limit", id="limit"),
    ],
)
def test_runs_of_different_questions_are_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    """The message names both values."""
    first = finished_run(tmp_path / "first")
    second = finished_run(tmp_path / "second", **change)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=says):
        read_points([first, second])


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    """The message says how to finish it."""
    run = finished_run(tmp_path / "run")
    (run / "metrics.json").unlink()
    with pytest.raises(StoreError, match="not finished"):
        read_points([run])


def test_a_sweep_without_finished_points_is_refused(tmp_path: Path) -> None:
    """The message says how to go on."""
    with pytest.raises(StoreError, match="no finished point"):
        read_points([sweep_directory(tmp_path / "sweep")])


def test_machines_are_never_on_one_line(tmp_path: Path) -> None:
    """And the lines say which is which."""
    runs = [
        finished_run(tmp_path / f"{device}-{steps}", device=device, sampler={"steps": steps})
        for device in ("TPU v5 lite", "A100")
        for steps in (4, 8)
    ]
    series = group_series(read_points(runs))
    assert [each.label for each in series] == ["a-model by steps, on A100", "a-model by steps, on TPU v5 lite"]
    assert [len(each.points) for each in series] == [2, 2]


def test_a_threshold_makes_another_line_than_steps(tmp_path: Path) -> None:
    """Each in the order of its own number."""
    runs = [finished_run(tmp_path / f"t{value}", sampler={"threshold": value}) for value in (0.9, 0.5)]
    runs += [finished_run(tmp_path / f"s{value}", sampler={"steps": value}) for value in (16, 4)]
    steps, threshold = group_series(read_points(runs))
    assert [point.settings["steps"] for point in steps.points] == [4, 16]
    assert [point.settings["threshold"] for point in threshold.points] == [0.5, 0.9]


def test_tokens_a_forward_are_those_of_all_completions(tmp_path: Path) -> None:
    """Useful tokens over forwards."""
    (point,) = read_points([finished_run(tmp_path / "run", tokens=12, sampler={"steps": 8})])
    assert point.tokens_per_forward == pytest.approx(12 / 8)
