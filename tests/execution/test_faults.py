"""Containers and the host process are killed at random moments; no verdict is lost, made up, or there twice.

As a script, `python tests/execution/test_faults.py ROUNDS`, it does so more often. With `--daemon COMMAND` it also runs
a command that kills and restarts the engine, e.g. "systemctl restart docker"; not where others use it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import docker.errors
import pytest

from coda_eval.execution.engine import LABEL_OWNER, connect
from coda_eval.tasks import load_task

PROGRAMS = 400
SLEEP = "import time\ntime.sleep(0.02)\n"


def write_samples(path: Path) -> None:
    """Right and wrong programs of `mini`, all different, none of them instant."""
    problems = load_task("mini").problems
    with path.open("w") as file:
        for number in range(PROGRAMS):
            problem = problems[number % len(problems)]
            body = f"def {problem.entry_point}(*args):\n    return None\n" if number % 3 == 0 else ""
            solution = f"{SLEEP}{problem.prompt}{problem.canonical_solution}\n{body}# {number}\n"
            file.write(json.dumps({"task_id": problem.task_id, "solution": solution}) + "\n")


def score(samples: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from coda_eval.cli import main; main()", "score", str(samples), "--task", "mini"]
    return subprocess.Popen(
        [*command, "--out", str(out), "--executor", "docker", "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def verdicts(out: Path) -> list[tuple[str, int, str, str]]:
    lines = (out / "verdicts.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return sorted((v["task_id"], v["sample"], v["suite"], v["status"]) for v in found)


def kill_a_container(pid: int, chance: random.Random) -> None:
    """One of those that the process has, if any."""
    client = connect()
    try:
        mine = [
            container
            for container in client.containers.list(filters={"label": LABEL_OWNER}, ignore_removed=True)
            if f"/{pid}/" in container.labels.get(LABEL_OWNER, "")
        ]
        if mine:
            with contextlib.suppress(docker.errors.APIError):
                chance.choice(mine).kill()
    finally:
        client.close()


def run_with_faults(directory: Path, rounds: int, *, seed: int, daemon: str | None = None) -> None:
    """The same samples undisturbed, and with `rounds` faults.

    Raises:
        AssertionError: the verdicts differ.
    """
    chance = random.Random(seed)
    samples = directory / "samples.jsonl"
    write_samples(samples)
    undisturbed = score(samples, directory / "undisturbed")
    _, said = undisturbed.communicate(timeout=300)
    assert undisturbed.returncode == 0, said
    faults = ["container", "host", *(["daemon"] if daemon else [])]
    process = score(samples, directory / "disturbed")
    for number in range(rounds):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.5, 3))
        if process.poll() is not None:
            process.communicate()
            process = score(samples, directory / "disturbed")
        fault = faults[number % len(faults)]
        if fault == "container":
            kill_a_container(process.pid, chance)
        elif fault == "host":
            process.send_signal(signal.SIGKILL)
        else:
            subprocess.run(shlex.split(daemon or ""), check=True)
        print(f"round {number + 1}: {fault}", flush=True)
    deadline = time.monotonic() + 300
    while process.wait(300) != 0 and time.monotonic() < deadline:
        process.communicate()
        process = score(samples, directory / "disturbed")
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert verdicts(directory / "disturbed") == verdicts(directory / "undisturbed")
    assert len(verdicts(directory / "disturbed")) == PROGRAMS


@pytest.mark.docker
@pytest.mark.slow
def test_no_fault_loses_or_doubles_a_verdict(docker_ready: None, tmp_path: Path) -> None:
    """Two containers and the host process twice, at moments of the seed."""
    run_with_faults(tmp_path, 4, seed=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--daemon", help="command that kills and restarts the engine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run_with_faults(Path(scratch), options.rounds, seed=options.seed, daemon=options.daemon)
    print("all verdicts are there once and equal")
