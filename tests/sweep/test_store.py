"""The directory of a sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coda_eval.errors import StoreError
from coda_eval.sweep.plan import SweepConfig, plan_points, question_of
from coda_eval.sweep.store import SweepDirectory


def sweep(*steps: int, limit: int | None = None) -> SweepConfig:
    return SweepConfig(task="mini", models=("coda-tiny",), limit=limit, grids=({"steps": list(steps)},))


def opened(path: Path, config: SweepConfig) -> SweepDirectory:
    return SweepDirectory(path, question_of(config), plan_points(config))


def test_a_sweep_is_extended_by_new_points(tmp_path: Path) -> None:
    """The old ones stay, where they are."""
    first = opened(tmp_path / "sweep", sweep(4))
    (old,) = plan_points(sweep(4))
    extended = opened(tmp_path / "sweep", sweep(4, 8))
    assert extended.run_directory(old) == first.run_directory(old)
    assert len(json.loads((tmp_path / "sweep" / "sweep.json").read_text())["points"]) == 2
    assert opened(tmp_path / "sweep", sweep(8)).run_directory(old) == first.run_directory(old)


def test_another_question_is_refused(tmp_path: Path) -> None:
    """Points on other problems do not stand in one table."""
    opened(tmp_path / "sweep", sweep(4))
    with pytest.raises(StoreError, match="limit is None there and 2 here"):
        opened(tmp_path / "sweep", sweep(4, limit=2))


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    """Nothing in it is touched."""
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="not empty"):
        opened(tmp_path, sweep(4))


def test_a_start_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    """It had not got further than half a file."""
    (tmp_path / "sweep.json.tmp").write_text("{")
    opened(tmp_path, sweep(4))
    assert (tmp_path / "points").is_dir()


@pytest.mark.parametrize("content", ["", "[]", '{"points": 3}', "\x00"])
def test_a_damaged_sweep_is_refused(tmp_path: Path, content: str) -> None:
    """In one line."""
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(StoreError, match="cannot be used"):
        opened(tmp_path, sweep(4))


def test_a_failure_is_recorded_and_leaves_the_point_to_do(tmp_path: Path) -> None:
    """With its error in one line."""
    directory = opened(tmp_path / "sweep", sweep(4))
    (point,) = plan_points(sweep(4))
    directory.record_failure(point, MemoryError("too\nmuch"), trace="")
    row = json.loads((tmp_path / "sweep" / "failures.jsonl").read_text())
    assert (row["point"], row["error"]) == (directory.run_directory(point).name, "MemoryError: too much")
    assert not directory.is_done(point)
