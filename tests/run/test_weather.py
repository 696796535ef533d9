"""The verdicts on real completions do not depend on how many run at once, nor on what else the machine does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.errors import SandboxError
from coda_eval.execution.image import find_image
from coda_eval.run.score import score_completions
from coda_eval.store import RunDirectory

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.exhaustive]


@contextlib.contextmanager
def burning_cores() -> Iterator[None]:
    """As many processes as there are CPUs, each of which never waits."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def statuses(shared: Path, out: Path, workers: int) -> dict[tuple[str, int], str]:
    """Of 1,640 completions of HumanEval, five of which never end."""
    score_completions(
        shared / "data" / "samples" / "humaneval_codegen16b.jsonl.gz",
        task="humaneval",
        protocol=None,
        execution=ExecutionConfig(timeout_s=3.0, workers=workers),
        out=out,
        extractor="verbatim",
        extract_also=(),
        data_dir=shared / "data" / "benchmarks",
        quiet=True,
    )
    return {(verdict.task_id, verdict.sample): verdict.status for verdict in RunDirectory(out).verdicts()}


def test_verdicts_are_the_same_in_any_weather(shared: Path, tmp_path: Path) -> None:
    """1, 2 and 8 sandboxes, and 2 with every CPU burning."""
    try:
        find_image()
    except SandboxError as error:
        pytest.skip(str(error))
    calm = statuses(shared, tmp_path / "2", workers=2)
    assert len(calm) == 1640
    assert statuses(shared, tmp_path / "1", workers=1) == calm
    assert statuses(shared, tmp_path / "8", workers=8) == calm
    with burning_cores():
        assert statuses(shared, tmp_path / "burning", workers=2) == calm
