"""SIGKILL in the middle of a sweep costs nothing but the time since the last line."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coda_eval.points import read_points

pytestmark = pytest.mark.slow

PATIENCE_S = 300
KILLS = int(os.environ.get("CODA_EVAL_KILLS", "2"))
LINES = 4 * 8
"""Four points of eight completions."""


def start(out: Path) -> subprocess.Popen[bytes]:
    """A sweep of three thresholds and a baseline, in a process group of its own."""
    arguments = ["sweep", "--model", "coda-tiny", "--baseline", "coda-tiny-ar", "--task", "mini", "--limit", "8"]
    arguments += ["--threshold", "0.5,0.7,0.9", "--batch-size", "2", "--max-new-tokens", "32", "--executor", "local"]
    with said(out).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", "from coda_eval.cli import main; main()", *arguments, "--out", str(out), "--json"],
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "XLA_FLAGS": ""},
            start_new_session=True,
        )


def said(out: Path) -> Path:
    """What the sweeps of a directory wrote to stderr."""
    return out.with_suffix(".log")


def lines(out: Path, name: str = "samples.jsonl") -> int:
    return sum(file.read_bytes().count(b"\n") for file in out.glob(f"points/*/{name}"))


def kill_when(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    """Kills the sweep as soon as it has made so many completions."""
    deadline = time.monotonic() + PATIENCE_S
    while lines(out) < count:
        assert process.poll() is None, f"the sweep ended before it could be killed: {said(out).read_text()}"
        assert time.monotonic() < deadline, f"there were not {count} completions"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def content(out: Path) -> dict[str, object]:
    """Everything that must be equal, by point: completions, verdicts and metrics, without times."""
    found = {}
    for point in read_points([out]):
        for run, metrics in point.runs:
            samples = {(s.task_id, s.sample): (s.completion, s.solution, s.nfe_full, s.batch) for s in run.samples()}
            verdicts = {(v.task_id, v.sample, v.suite): v.status for v in run.verdicts()}
            found[run.path.name] = (samples, verdicts, metrics.pass_at_k, metrics.statuses, metrics.unscored)
    return found


def test_a_sweep_that_is_killed_ends_like_one_that_is_not(tmp_path: Path) -> None:
    """At random moments; the same completions, verdicts and scores, and no line twice."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait(PATIENCE_S) == 0
    for moment in sorted(random.Random(7).sample(range(1, LINES - 1), KILLS)):
        kill_when(start(killed), killed, moment)
    assert start(killed).wait(PATIENCE_S) == 0, said(killed).read_text()
    assert content(killed) == content(whole)
    assert lines(killed) == lines(killed, "verdicts.jsonl") == LINES
