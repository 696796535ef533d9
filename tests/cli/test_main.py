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
        pytest.param("not json\n", "line 1", id="not JSON"),
        pytest.param('{"task_id": "mini/1000", "completion": ""}\n', "mini/1000", id="unknown task_id"),
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


def test_bad_lines_among_good_ones_are_named_and_the_rest_is_scored(samples: Path, tmp_path: Path) -> None:
    """Metrics on stdout, and exit 2 all the same: what was scored is not the whole file."""
    with samples.open("a") as stream:
        stream.write('{"task_id": "mini/1000", "completion": ""}\n')
    done = coda_eval("score", samples, "--task", "mini", "--executor", "local", "--out", tmp_path / "run", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["rejected"] == 1
    assert "line 3: task_id 'mini/1000' is not in this benchmark" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: 1 lines of ")


def test_export_writes_a_file_for_another_harness(samples: Path, tmp_path: Path) -> None:
    assert (
        coda_eval("score", samples, "--task", "mini", "--executor", "local", "--out", tmp_path / "run").returncode == 0
    )
    done = coda_eval("export", tmp_path / "run", "--to", "evalplus", "--out", tmp_path / "e.jsonl", "--json")
    assert json.loads(done.stdout)["samples"] == 2
    assert {tuple(json.loads(line)) for line in (tmp_path / "e.jsonl").read_text().splitlines()} == {
        ("solution", "task_id")
    }


def test_a_problem_is_shown_with_its_prompt_and_tests() -> None:
    done = coda_eval("tasks", "show", "humaneval", "HumanEval/0", "--json")
    shown = json.loads(done.stdout)
    assert shown["prompts"]["base"].startswith("from typing import List")
    assert shown["prompts"]["instruct"].startswith("[user]\nWrite a solution")
    assert "def check(candidate)" in shown["tests"]["base"]
    unknown = coda_eval("tasks", "show", "humaneval", "HumanEval/999")
    assert unknown.returncode == 2
    assert "has no problem 'HumanEval/999'" in unknown.stderr


def test_no_engine_is_one_line_and_exit_2(samples: Path, tmp_path: Path) -> None:
    """An explicit docker executor is never replaced silently."""
    done = coda_eval(
        "score", samples, "--task", "mini", "--executor", "docker", "--out", tmp_path / "run",
        DOCKER_HOST="unix:///nowhere/docker.sock",
    )  # fmt: skip
    assert done.returncode == 2
    *_, line = done.stderr.splitlines()  # after a warning that most problems have no completion
    assert "Traceback" not in done.stderr
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
