"""Scoring completions from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.errors import SamplesError, StoreError
from coda_eval.records import Metrics, Status
from coda_eval.run.score import score_completions
from coda_eval.store import RunDirectory
from coda_eval.tasks import load_task

LOCAL = ExecutionConfig(executor="local", workers=2)


def write_samples(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def score(file: Path, out: Path, **given: object) -> Metrics:
    return score_completions(file, task="mini", protocol=None, execution=LOCAL, out=out, quiet=True, **given)  # type: ignore[arg-type]


@pytest.fixture
def canonical(tmp_path: Path) -> Path:
    """Five right completions and one wrong one."""
    problems = load_task("mini").problems[:6]
    rows = [{"task_id": problem.task_id, "completion": problem.canonical_solution} for problem in problems]
    rows[2]["completion"] = "    return 'wrong'\n"
    return write_samples(tmp_path / "samples.jsonl", rows)


def test_right_completions_pass_and_wrong_ones_fail(canonical: Path, tmp_path: Path) -> None:
    """pass@1 over the problems that have a sample; each has its line in the run directory."""
    metrics = score(canonical, tmp_path / "run")
    assert metrics.statuses == {Status.PASSED: 5, Status.FAILED: 1}
    assert metrics.pass_at_k["base"]["pass@1"].value == pytest.approx(5 / 6)
    assert metrics.latency.total_s is None
    verdicts = {verdict.task_id: verdict.status for verdict in RunDirectory(tmp_path / "run").verdicts()}
    assert verdicts["mini/2"] is Status.FAILED


def test_scoring_again_does_nothing_twice(canonical: Path, tmp_path: Path) -> None:
    """The run directory is the same to the byte."""
    score(canonical, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    score(canonical, tmp_path / "run")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_scoring_goes_on_where_it_was_interrupted(canonical: Path, tmp_path: Path) -> None:
    """Verdicts that are there stay; those that are missing are made; the metrics are the same."""
    whole = score(canonical, tmp_path / "whole")
    score(canonical, tmp_path / "run")
    verdicts = tmp_path / "run" / "verdicts.jsonl"
    kept = verdicts.read_text().splitlines(keepends=True)[:2]
    verdicts.write_text("".join(kept) + '{"task_id": "mini/')
    (tmp_path / "run" / "metrics.json").unlink()
    assert score(canonical, tmp_path / "run") == whole
    assert verdicts.read_text().startswith("".join(kept))
    assert len(verdicts.read_text().splitlines()) == 6


def test_other_samples_do_not_go_into_the_same_directory(canonical: Path, tmp_path: Path) -> None:
    """The file's hash is part of what a run is."""
    score(canonical, tmp_path / "run")
    other = write_samples(tmp_path / "other.jsonl", [{"task_id": "mini/0", "completion": "    return 1\n"}])
    with pytest.raises(StoreError, match="completions_sha256"):
        score(other, tmp_path / "run")


def test_a_whole_program_is_run_as_it_is(tmp_path: Path) -> None:
    """Evalplus' form: `solution` needs no prompt before it."""
    problem = load_task("mini").problems[0]
    file = write_samples(
        tmp_path / "samples.jsonl",
        [{"task_id": problem.task_id, "solution": problem.prompt + problem.canonical_solution}],
    )
    assert score(file, tmp_path / "run").statuses == {Status.PASSED: 1}


def test_an_unknown_task_id_leaves_no_run_behind(tmp_path: Path) -> None:
    """The whole file is read before anything is judged."""
    file = write_samples(tmp_path / "samples.jsonl", [{"task_id": "mini/999", "completion": ""}])
    with pytest.raises(SamplesError, match="mini/999"):
        score(file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_hostile_text_gets_a_verdict(tmp_path: Path) -> None:
    """NUL bytes, lone surrogates, CRLF, nothing at all: each has a verdict, and the others are scored."""
    right = load_task("mini").problems[0].canonical_solution
    completions = ["    return '\x00'\n", "    return '\ud800'\n", "", right.replace("\n", "\r\n"), right]
    file = write_samples(tmp_path / "samples.jsonl", [{"task_id": "mini/0", "completion": c} for c in completions])
    metrics = score(file, tmp_path / "run")
    assert metrics.unscored == 0
    statuses = {verdict.sample: verdict.status for verdict in RunDirectory(tmp_path / "run").verdicts()}
    assert statuses[3] is Status.PASSED
    assert statuses[4] is Status.PASSED
    assert Status.PASSED not in {statuses[0], statuses[1], statuses[2]}
