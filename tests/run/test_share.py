"""Several processes on one run: their shares, what becomes of one that dies, and how shards are put together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from coda_eval.config import ExecutionConfig, RunConfig, SamplerConfig
from coda_eval.errors import StoreError
from coda_eval.run.evaluate import evaluate
from coda_eval.run.share import Share, merge_shards, shard_directory
from coda_eval.store import RunDirectory

CONFIG = RunConfig(
    model="coda-tiny",
    task="mini",
    limit=4,
    sampler=SamplerConfig(max_new_tokens=16, steps=2, batch_size=2),
    execution=ExecutionConfig(executor="local", workers=1),
)
COMMAND = (
    "run --model coda-tiny --task mini --limit 4 --max-new-tokens 16 --steps 2 --batch-size 2 --executor local "
    "--workers 1 --distributed --out"
)


def texts(run: Path) -> dict[str, str]:
    """The completions by problem."""
    return {sample.task_id: sample.completion for sample in RunDirectory(run).samples()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run by one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    evaluate(CONFIG, out, quiet=True)
    return out


def test_shards_make_the_run_that_one_process_makes(alone: Path, tmp_path: Path) -> None:
    """Nothing is merged before all are complete; then samples, verdicts and metrics are those of one process."""
    out = tmp_path / "run"
    for index in range(2):
        assert merge_shards(CONFIG, out, count=2) is None
        share = Share(index, 2)
        evaluate(CONFIG, shard_directory(out, share), quiet=True, share=share)
    merged = merge_shards(CONFIG, out, count=2)
    assert merged is not None
    assert merged.pass_at_k == RunDirectory(alone).metrics().pass_at_k  # type: ignore[union-attr]
    assert texts(out) == texts(alone)
    assert RunDirectory(out).manifest["fingerprint"] == RunDirectory(alone).manifest["fingerprint"]
    assert merge_shards(CONFIG, out, count=2) == RunDirectory(out).metrics()
    with pytest.raises(StoreError, match=r"shards of 2 processes and 3 are running"):
        shard_directory(out, Share(0, 3))


@pytest.mark.slow
def test_a_process_that_dies_stops_no_other_and_is_made_good(alone: Path, tmp_path: Path) -> None:
    """The other one completes its share; both started again, the run is that of one process."""
    out = tmp_path / "run"
    first, second = start(out)
    wait_for(out.with_name("run.shards") / "1-of-2" / "manifest.json", second)
    second.send_signal(signal.SIGKILL)
    second.wait()
    assert first.wait(timeout=120) == 0
    assert (out.with_name("run.shards") / "0-of-2" / "metrics.json").exists()
    assert not out.exists()
    assert [process.wait(timeout=120) for process in start(out)] == [0, 0]
    assert texts(out) == texts(alone)


def start(out: Path) -> list[subprocess.Popen[bytes]]:
    """Two processes that find each other through the environment."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    here = {**os.environ, "JAX_COORDINATOR_ADDRESS": f"localhost:{port}", "JAX_NUM_PROCESSES": "2"}
    command = [sys.executable, "-c", "from coda_eval.cli import main; main()", *COMMAND.split(), str(out)]
    return [
        subprocess.Popen(command, env={**here, "JAX_PROCESS_ID": str(index)}, stderr=subprocess.DEVNULL)
        for index in range(2)
    ]


def wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the process has written a file; it fails where the process ends first."""
    while not file.exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"it ended with {process.wait(timeout=0.05)} before it wrote {file.name}")


def test_a_cluster_that_is_half_described_is_an_error(tmp_path: Path) -> None:
    """The line says which variables are missing."""
    done = subprocess.run(
        [sys.executable, "-c", "from coda_eval.cli import main; main()", *COMMAND.split(), str(tmp_path / "run")],
        env={**os.environ, "JAX_NUM_PROCESSES": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert "JAX_COORDINATOR_ADDRESS, JAX_PROCESS_ID is not; set all three" in done.stderr
