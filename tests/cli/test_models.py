"""`coda-eval models`: the list, `inspect` and `random`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from coda_eval.cli.bench import bench
from coda_eval.cli.models import models
from coda_eval.errors import CheckpointError
from coda_eval.models.families import FAMILIES


def run(*arguments: str, code: int = 0) -> str:
    """What a command prints on stdout."""
    finished = CliRunner().invoke(models, arguments, catch_exceptions=False)
    assert finished.exit_code == code, finished.output
    return finished.stdout


def test_the_list_has_families_and_shapes() -> None:
    """And what comes with the package."""
    listed = json.loads(run("--json"))
    assert listed["families"].keys() == FAMILIES.keys()
    assert "coda-tiny" in listed["embedded"]
    assert "coda-1.7b" in listed["shapes"]
    assert "gemma3_text" in run()


def test_inspect_says_what_a_checkpoint_is() -> None:
    """For people and for programs."""
    found = json.loads(run("inspect", "coda-tiny", "--json"))
    assert (found["family"], found["problems"], found["tokenizer"]["ids"]) == ("CoDA", [], 512)
    assert found["special_tokens"]["mask_id"] == found["tokenizer"]["mask_id"]
    assert "loadable" in run("inspect", "coda-tiny")


def test_a_random_checkpoint_is_one_that_can_be_inspected(tmp_path: Path) -> None:
    """With the tokenizer of another model, whose special tokens it takes."""
    sizes = ["--layers", "1", "--hidden", "16", "--vocabulary", "512"]
    printed = run("random", "--like", "llada-8b", *sizes, "--tokenizer", "coda-tiny", "--out", str(tmp_path / "model"))
    assert "random parameters like llada-8b" in printed
    found = json.loads(run("inspect", str(tmp_path / "model"), "--json"))
    assert (found["family"], found["layers"], found["problems"]) == ("llada", 1, [])


def test_inspect_exits_with_1_where_a_checkpoint_cannot_be_loaded(tmp_path: Path) -> None:
    """And says why: here it has no tokenizer, which contradicts nothing but can encode no prompt."""
    run("random", "--layers", "1", "--hidden", "16", "--vocabulary", "64", "--out", str(tmp_path / "model"))
    problems = json.loads(run("inspect", str(tmp_path / "model"), "--json", code=1))["problems"]
    assert len(problems) == 1
    assert "has no tokenizer.json" in problems[0]


def test_inspect_of_nothing_is_an_error(tmp_path: Path) -> None:
    """In one line."""
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        run("inspect", str(tmp_path))


def test_loading_is_measured_beside_reading_the_files() -> None:
    """In the page cache, and from the disk where the system can be asked to forget files."""
    printed = CliRunner().invoke(bench, ["load", "coda-tiny", "--rounds", "1", "--json"], catch_exceptions=False)
    rows = json.loads(printed.stdout)["rows"]
    assert [row["name"] for row in rows][:1] == ["warm"]
    assert all(len(row["ours_s"]) == len(row["peer_s"]) == 1 and row["ratio"] > 0 for row in rows)
