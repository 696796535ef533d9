"""Where the time of a point goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_runs import finished_run

from coda_eval.points import read_points
from coda_eval.points.stages import stage_seconds
from coda_eval.records import Timings
from coda_eval.store.timings import append_timings


def stages(run: Path) -> dict[str, float]:
    (point,) = read_points([run])
    return stage_seconds(point)


def test_forwards_and_sampling_make_up_the_decoding(tmp_path: Path) -> None:
    """Eight forwards of which a row's share is 0.02 s, of 0.4 s."""
    run = finished_run(tmp_path / "run", seconds=0.4, batch_size=5)
    append_timings(run, Timings(completions=5, decode_s=2.0, host_s=0.5, full_forward_s=0.1))
    found = stages(run)
    assert found["full forwards"] == pytest.approx(0.16)
    assert found["sampling and waiting"] == pytest.approx(0.24)
    assert (found["host"], found["execution"]) == pytest.approx((0.1, 0.02))


def test_forwards_are_never_more_than_the_whole(tmp_path: Path) -> None:
    """Though measured apart they may come out longer."""
    run = finished_run(tmp_path / "run", seconds=0.4, batch_size=5)
    append_timings(run, Timings(completions=5, decode_s=2.0, full_forward_s=9.0))
    found = stages(run)
    assert found["full forwards"] + found["window forwards"] == pytest.approx(0.4)
    assert found["sampling and waiting"] == 0


def test_what_was_not_measured_is_not_told_apart(tmp_path: Path) -> None:
    """As at an endpoint."""
    assert stages(finished_run(tmp_path / "run", seconds=0.4)) == {
        "decoding": pytest.approx(0.4),
        "execution": pytest.approx(0.02),
    }


def test_completions_from_elsewhere_have_no_stages(tmp_path: Path) -> None:
    """They carry no time."""
    assert stages(finished_run(tmp_path / "run", seconds=None)) == {}
