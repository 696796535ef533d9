"""Whether the canonical solutions pass in this very sandbox."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.execution import Executor, open_executor
from coda_eval.run.ground_truth import GroundTruth, ground_truth
from coda_eval.tasks import Task, load_task

CONFIG = ExecutionConfig(executor="local", workers=1)


@pytest.fixture
def executor() -> Iterator[Executor]:
    with open_executor(CONFIG) as opened:
        yield opened


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Three problems, of which the last has a wrong canonical solution; an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = load_task("mini", limit=3)
    *right, last = whole.problems
    wrong = dataclasses.replace(last, canonical_solution="    return object\n")
    return dataclasses.replace(whole, problems=(*right, wrong))


def test_a_canonical_solution_that_fails_lowers_the_ceiling_and_is_named(task: Task, executor: Executor) -> None:
    found = ground_truth(task, executor, CONFIG)
    assert found == GroundTruth(2, 3, ("mini/2",))
    assert "1 of 3 canonical solutions do not pass in this sandbox (mini/2)" in found.complaint
    assert GroundTruth(3, 3, ()).complaint == ""


def test_what_was_found_is_kept_for_the_same_sandbox_and_limits(task: Task, executor: Executor) -> None:
    """A second run executes nothing; other limits are another question."""
    first = ground_truth(task, executor, CONFIG)
    mended = dataclasses.replace(task, problems=load_task("mini", limit=3).problems)
    assert ground_truth(mended, executor, CONFIG) == first
    assert ground_truth(mended, executor, dataclasses.replace(CONFIG, timeout_s=2.0)) == GroundTruth(3, 3, ())


def test_a_cache_that_cannot_be_written_is_done_without(
    task: Task, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    assert ground_truth(task, executor, CONFIG).passed == 2
