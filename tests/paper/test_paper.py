"""The report's figures beside measured ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_runs import finished_run

from coda_eval.config import ExecutionConfig
from coda_eval.paper.experiments import experiments
from coda_eval.paper.table import headline_text, markdown, read_line


def test_every_cell_and_point_has_a_run() -> None:
    """Forty cells and twelve points; no two different runs share a directory."""
    planned = experiments(ExecutionConfig())
    assert len(planned) == 52
    by_name = {}
    for experiment in planned:
        assert by_name.setdefault(experiment.name, experiment.config) == experiment.config


def test_the_command_is_what_a_user_would_type() -> None:
    """The settings of the report, spelled out."""
    cell = next(each for each in experiments(ExecutionConfig()) if each.name == "coda-1.7b-instruct-humaneval")
    assert cell.command(Path("out")) == (
        "coda-eval run --model Salesforce/CoDA-v0-Instruct --task humaneval --protocol coda-paper --prompt instruct "
        "--max-new-tokens 768 --steps 768 --algorithm entropy --temperature 0.1 --top-p 0.9 --dtype bfloat16 "
        "--out out/runs/coda-1.7b-instruct-humaneval"
    )


def test_the_measured_stands_beside_the_published(tmp_path: Path) -> None:
    """With the difference and its interval."""
    cell = next(each for each in experiments(ExecutionConfig()) if each.name == "coda-1.7b-instruct-humaneval")
    finished_run(tmp_path / "runs" / cell.name, task="humaneval", protocol="coda-paper", problems=164, solved=90)
    line = read_line(cell, tmp_path, why_not="")
    assert line.difference is not None
    assert line.difference.value == pytest.approx(0.58, abs=0.01)
    assert any("| CoDA-1.7B-Instruct | humaneval | 54.3 | 54.9 | +0.6 |" in text for text in markdown([line]))


def test_what_was_not_run_says_why(tmp_path: Path) -> None:
    """In the place of a figure."""
    cell = experiments(ExecutionConfig())[0]
    line = read_line(cell, tmp_path, why_not="not on this machine")
    assert any("| 29.3 | not on this machine |" in text for text in markdown([line]))


def test_the_headline_is_recomputed_both_ways() -> None:
    """And it is said which definition gives it."""
    text = headline_text()
    assert "40.1 %, which is the definition that gives the headline" in text
    assert "23.9 %" in text
