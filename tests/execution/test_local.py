"""Sandboxes that are child processes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.execution import local, open_executor
from coda_eval.execution.hostile import canary
from coda_eval.records import CheckTests, Program, Status

KILLER = Program(
    task_id="killer",
    sample=0,
    suite="base",
    source="import os\nos.kill(os.getppid(), 9)",
    entry_point="f",
    tests=CheckTests(code="f()"),
)


@pytest.mark.parametrize("kind", ["local"])
def test_a_program_that_kills_its_fork_server_is_killed_and_others_are_judged(config: ExecutionConfig) -> None:
    """It has the same user here, and is replaced; that a second one, with numpy, lives on must not hold that up."""
    with open_executor(dataclasses.replace(config, workers=1)) as executor:
        futures = [executor.submit(program) for program in (canary("numpy"), KILLER, canary("b"), canary("c"))]
        statuses = [future.result(timeout=60).status for future in futures]
    assert statuses == [Status.PASSED, Status.KILLED, Status.PASSED, Status.PASSED]


def test_the_warning_appears_once_in_a_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever scores with it reads that programs are not isolated."""
    monkeypatch.setattr(local, "_warned", type(local._warned)())
    for _ in range(2):
        local.local_executor(ExecutionConfig(executor="local"))
    assert capsys.readouterr().err == local.WARNING + "\n"


def test_executors_do_not_load_jax() -> None:
    """Scoring works where JAX is not, and forks no process that holds it."""
    code = (
        "import sys, coda_eval.execution.docker, coda_eval.execution.local, coda_eval.execution.check\n"
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
