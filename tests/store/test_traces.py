"""Traces on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from coda_eval.errors import StoreError
from coda_eval.records import Trace
from coda_eval.store.traces import append_traces, read_traces

FIRST = Trace(task_id="a/1", sample=0, pieces=("def", " f"), committed_at=(1, 0))
SECOND = Trace(task_id="a/0", sample=1, pieces=("x",), committed_at=(0,))


def test_traces_are_read_in_order_of_task_and_sample(tmp_path: Path) -> None:
    """Whatever the order in which they were made."""
    append_traces(tmp_path, [FIRST])
    append_traces(tmp_path, [SECOND])
    assert read_traces(tmp_path) == [SECOND, FIRST]


def test_of_a_completion_made_twice_the_last_trace_counts(tmp_path: Path) -> None:
    """An interrupted run makes the batch again whose samples it lost."""
    append_traces(tmp_path, [Trace(task_id="a/1", sample=0, pieces=("y",), committed_at=(3,)), FIRST])
    assert read_traces(tmp_path) == [FIRST]


def test_runs_without_traces_are_refused(tmp_path: Path) -> None:
    """The message says how to make them; nothing is written where there are none."""
    append_traces(tmp_path, [])
    assert not list(tmp_path.iterdir())
    with pytest.raises(StoreError, match="has no traces; run it with --trace"):
        read_traces(tmp_path)
