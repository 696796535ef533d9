"""The command line as a user meets it: exit codes, one-line errors, JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coda_eval.tasks import load_task


def coda_eval(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from coda_eval.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=300,
    )


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Canonical solutions of two problems."""
    path = tmp_path / "samples.jsonl"
    rows = [{"task_id": p.task_id, "completion": p.canonical_solution} for p in load_task("mini").problems[:2]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def test_score_prints_json(samples: Path, tmp_path: Path) -> None:
    """One object on stdout, nothing else; the warning about the local executor is on stderr."""
    done = coda_eval("score", samples, "--task", "mini", "--executor", "local", "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pass_at_k"]["base"]["pass@1"]["value"] == 1.0
    assert "does not isolate" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--task", "humanevil"], "humaneval", id="unknown task"),
        pytest.param(["--task", "mini", "--protocol", "evilplus"], "human-eval", id="unknown protocol"),
        pytest.param(["--task", "mini", "--limit", "0"], "--limit", id="limit of 0"),
        pytest.param(["--task", "mini", "--timeout-s", "0"], "--timeout-s", id="timeout of 0"),
        pytest.param(["--task", "mini", "--memory-mb", "1"], "--memory-mb", id="too little memory"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(samples: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    """What was found, what was expected; no traceback, and no run directory."""
    done = coda_eval("score", samples, "--executor", "local", "--out", tmp_path / "run", *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert says in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param('{"task_id": "mini/0", "completion": ""}\nnot json\n', "line 2", id="not JSON"),
        pytest.param('{"task_id": "mini/1000", "completion": ""}\n', "mini/1000", id="unknown task_id"),
        pytest.param('{"task_id": "mini/0", "completion": null}\n', "null", id="null completion"),
        pytest.param('{"task_id": "mini/0"}\n', "completion", id="missing completion"),
        pytest.param("", "no completion", id="empty file"),
    ],
)
def test_bad_samples_are_one_line_and_exit_2(tmp_path: Path, content: str, says: str) -> None:
    """The line names the file's line where one is at fault."""
    file = tmp_path / "bad.jsonl"
    file.write_text(content)
    done = coda_eval("score", file, "--task", "mini", "--executor", "local", "--out", tmp_path / "run")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert says in line


def test_no_engine_is_one_line_and_exit_2(samples: Path, tmp_path: Path) -> None:
    """An explicit docker executor is never replaced silently."""
    done = coda_eval(
        "score", samples, "--task", "mini", "--executor", "docker", "--out", tmp_path / "run",
        DOCKER_HOST="unix:///nowhere/docker.sock",
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "--executor local" in line or "start" in line


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/sys/kernel").exists(), reason="needs /proc")
def test_a_directory_that_cannot_be_written_is_one_line_and_exit_2(samples: Path) -> None:
    """/proc refuses new directories to everybody, root too."""
    done = coda_eval("score", samples, "--task", "mini", "--executor", "local", "--out", "/proc/run")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "/proc/run" in done.stderr.splitlines()[-1]


def test_a_missing_model_is_one_line_and_exit_2(tmp_path: Path) -> None:
    """A directory without a checkpoint names the file that is missing."""
    (tmp_path / "empty").mkdir()
    done = coda_eval("run", "--model", tmp_path / "empty", "--executor", "local", "--task", "mini", cwd=tmp_path)
    assert done.returncode == 2
    assert "tokenizer.json" in done.stderr.splitlines()[-1]


def test_a_truncated_checkpoint_is_one_line_and_exit_2(tmp_path: Path) -> None:
    """The file is named."""
    from coda_eval.models.references import embedded_directory

    model = tmp_path / "model"
    model.mkdir()
    for file in embedded_directory("coda-tiny").iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    damaged(model / "model.safetensors")
    done = coda_eval("run", "--model", model, "--task", "mini", "--executor", "local", cwd=tmp_path)
    assert done.returncode == 2
    assert "model.safetensors" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_refused_with_exit_2() -> None:
    """As every command line does."""
    done = coda_eval("run", "--stepz", "3")
    assert done.returncode == 2
    assert "--stepz" in done.stderr


def test_tasks_and_models_list_what_is_embedded() -> None:
    """As JSON for programs."""
    tasks = json.loads(coda_eval("tasks", "--json").stdout)
    assert {"mini", "humaneval"} <= {row["task"] for row in tasks}
    models = json.loads(coda_eval("models", "--json").stdout)
    assert set(models["embedded"]) == {"coda-tiny", "coda-tiny-ar", "coda-small"}


def test_doctor_finds_the_embedded_default_working() -> None:
    """Exit 0 also where there is no engine: that is missing, not broken."""
    done = coda_eval("doctor", "--json", DOCKER_HOST="unix:///nowhere/docker.sock")
    findings = {finding["name"]: finding["state"] for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert findings["docker engine"] == "missing"
    assert findings["local executor"] == "ok"


def test_the_embedded_default_runs_without_an_engine(tmp_path: Path) -> None:
    """It says so, falls back to the local executor, and leaves a chart."""
    done = coda_eval(
        "run", "--limit", "2", "--steps", "4", "--json", cwd=tmp_path, DOCKER_HOST="unix:///nowhere/docker.sock"
    )
    assert done.returncode == 0, done.stderr
    assert "local executor" in done.stderr
    result = json.loads(done.stdout)
    assert result["samples"] == 2
    assert (tmp_path / result["chart"]).stat().st_size > 10_000
