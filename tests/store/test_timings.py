"""What took how long, over all starts of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from coda_eval.errors import StoreError
from coda_eval.records import Timings
from coda_eval.store.timings import append_timings, read_timings


def test_starts_are_added_up_and_measurements_are_not(tmp_path: Path) -> None:
    """A forward does not take twice as long because it was measured twice."""
    append_timings(tmp_path, Timings(completions=2, compile_s=3.0, decode_s=1.0, full_forward_s=0.5))
    append_timings(tmp_path, Timings(completions=1, decode_s=0.5, full_forward_s=0.4))
    assert read_timings(tmp_path) == Timings(completions=3, compile_s=3.0, decode_s=1.5, full_forward_s=0.4)


def test_a_run_without_timings_has_none(tmp_path: Path) -> None:
    """Rather than zeros."""
    assert read_timings(tmp_path) is None


def test_a_damaged_line_is_one_error_of_ours(tmp_path: Path) -> None:
    """With the way out."""
    (tmp_path / "timings.jsonl").write_text('{"completions": 1}\n')
    with pytest.raises(StoreError, match="remove it"):
        read_timings(tmp_path)
