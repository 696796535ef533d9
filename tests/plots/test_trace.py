"""The picture of the order in which a completion was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from coda_eval.errors import StoreError
from coda_eval.plots import plot_trace
from coda_eval.records import Trace
from coda_eval.store.traces import append_traces

PIECES = ("    return", " x", " +", " 1", "\n", "#", " $done$")


@pytest.fixture
def traced(tmp_path: Path) -> Path:
    """A run with one trace."""
    append_traces(tmp_path, [Trace(task_id="mini/0", sample=0, pieces=PIECES, committed_at=(0, 2, 2, 1, 3, 4, 4))])
    return tmp_path


@pytest.mark.parametrize(("name", "magic"), [("t.png", b"\x89PNG"), ("t.svg", b"<?xml"), ("t.gif", b"GIF89a")])
def test_a_trace_is_drawn(traced: Path, name: str, magic: bytes) -> None:
    """As a picture, or moving."""
    plot_trace(traced, traced / name)
    assert (traced / name).read_bytes().startswith(magic)


def test_a_completion_that_has_no_trace_is_refused(traced: Path) -> None:
    """With one that has."""
    with pytest.raises(StoreError, match="no trace of 'mini/9'; it has 'mini/0', and 0 more"):
        plot_trace(traced, traced / "t.png", task_id="mini/9")
