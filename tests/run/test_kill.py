"""SIGKILL in the middle of a run costs nothing but the time since the last line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from coda_eval.store import RunDirectory

pytestmark = pytest.mark.slow

PATIENCE_S = 300


def start(out: Path) -> subprocess.Popen[bytes]:
    """A run of forty completions in ten batches, in a process group of its own."""
    arguments = ["run", "--model", "coda-tiny", "--task", "mini", "--executor", "local", "--limit", "40"]
    arguments += ["--steps", "8", "--batch-size", "4", "--temperature", "0.5", "--out", str(out), "--json"]
    return subprocess.Popen(
        [sys.executable, "-c", "from coda_eval.cli import main; main()", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "XLA_FLAGS": ""},
        start_new_session=True,
    )


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_when(process: subprocess.Popen[bytes], path: Path, count: int) -> None:
    """Kills the run, but not its sandboxes, as soon as the file has so many lines."""
    deadline = time.monotonic() + PATIENCE_S
    while lines(path) < count:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, f"{path.name} did not get {count} lines"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def content(out: Path) -> tuple[Any, Any, Any]:
    """Everything that must be equal: completions, verdicts and metrics, without times."""
    run = RunDirectory(out)
    metrics = run.metrics()
    assert metrics is not None
    samples = {(s.task_id, s.sample): (s.completion, s.solution, s.nfe_full, s.batch) for s in run.samples()}
    verdicts = {(v.task_id, v.sample, v.suite): v.status for v in run.verdicts()}
    return samples, verdicts, (metrics.pass_at_k, metrics.statuses, metrics.samples, metrics.unscored)


def test_a_run_that_is_killed_twice_ends_like_one_that_is_not(tmp_path: Path) -> None:
    """The same completions, verdicts and metrics, and no line twice."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait(PATIENCE_S) == 0
    kill_when(start(killed), killed / "samples.jsonl", 6)
    assert not (killed / "metrics.json").exists()
    kill_when(start(killed), killed / "verdicts.jsonl", 21)
    assert start(killed).wait(PATIENCE_S) == 0
    assert content(killed) == content(whole)
    for name in ("samples.jsonl", "verdicts.jsonl"):
        rows = [json.loads(line) for line in (killed / name).read_text().splitlines()]
        keys = [(row["task_id"], row["sample"]) for row in rows]
        assert len(keys) == len(set(keys)) == 40
