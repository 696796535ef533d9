"""Markdown, JUnit and JSON of a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from compare.judged_runs import edit_verdicts, outcomes, write_run

from coda_eval.compare.document import to_document
from coda_eval.compare.gate import Gate, GateReport, compare
from coda_eval.compare.junit import to_junit
from coda_eval.compare.markdown import to_markdown
from coda_eval.records import Status

COMMENT_CHARACTERS = 65_536
"""What GitHub takes."""


@pytest.fixture
def report(tmp_path: Path) -> GateReport:
    """Ten of thirty problems are lost, one is missing, one is gained, six fail in both."""
    base = {f"mini/{number}": [Status.PASSED if number < 30 else Status.FAILED] for number in range(38)}
    there = write_run(tmp_path / "there", base, model="step-100")
    other = {
        task_id: [Status.PASSED if 10 <= number < 31 else Status.TIMEOUT]
        for number, task_id in enumerate(list(base)[:37])
    }
    here = write_run(tmp_path / "here", other, model="step-200")
    return compare(there, here, gate=Gate(require_complete=True))


def test_markdown_says_what_matters_first(report: GateReport) -> None:
    """The outcome, the reasons, the figures; then the problems, folded."""
    lines = to_markdown(report).splitlines()
    assert lines[0] == "### ❌ coda-eval compare failed: `step-200` against `step-100`"
    assert lines[2].startswith("- **worse**: mini base/pass@1 dropped by ")
    assert lines[3].startswith("- **incomplete**: the candidate (mini, base) lacks 1 of 38 problems (mini/37)")
    assert "<details><summary>10 problems newly failing</summary>" in lines
    assert "| `mini/0` | `passed` | `timeout: it timeout` |" in lines
    assert "no difference" in lines[-1]


def test_markdown_fits_into_a_comment_whatever_flips(tmp_path: Path) -> None:
    """1,000 problems, long and hostile details."""
    nasty = "`|</details>\n# <script>\ud800" + "x" * 300
    there = write_run(tmp_path / "there", outcomes(*range(1000), problems=1000), model="<img>|*a*")
    here = write_run(tmp_path / "here", outcomes(problems=1000))
    edit_verdicts(here, lambda rows: [{**row, "detail": nasty} for row in rows])
    text = to_markdown(compare(there, here, gate=Gate()))
    assert len(text) < COMMENT_CHARACTERS
    assert "and 975 more" in text
    code_cells = [line for line in text.splitlines() if line.startswith("| `mini/")]
    assert len(code_cells) == 25
    assert all(line.replace("\\|", "").count("|") == 4 and line.count("`") == 6 for line in code_cells)


def test_junit_fails_what_broke_and_skips_what_never_worked(report: GateReport) -> None:
    """A case a problem, an error for what is missing, and the gate's own cases."""
    root = ElementTree.fromstring(to_junit(report))
    gate, problems = root.findall("testsuite")
    assert (problems.get("name"), problems.get("tests")) == ("mini", "38")
    assert [problems.get(name) for name in ("failures", "errors", "skipped")] == ["10", "1", "6"]
    broken = [case.get("name") for case in problems if case.find("failure") is not None]
    assert broken == [f"mini/{number}" for number in range(10)]
    assert problems.find("testcase[@name='mini/37']/error") is not None
    assert problems.find("testcase[@name='mini/0']/failure").get("message") == "passed → timeout: it timeout"  # type: ignore[union-attr]
    assert [case.find("failure").get("type") for case in gate] == ["worse", "incomplete"]  # type: ignore[union-attr]


def test_junit_holds_any_detail(tmp_path: Path) -> None:
    """Characters that XML cannot hold are replaced."""
    there = write_run(tmp_path / "there", outcomes(0, problems=1))
    here = write_run(tmp_path / "here", outcomes(problems=1))
    edit_verdicts(here, lambda rows: [{**row, "detail": "\x00\ud800\x1b ]]> <&"} for row in rows])
    failure = ElementTree.fromstring(to_junit(compare(there, here, gate=Gate()))).find(".//testcase/failure")
    assert failure is not None
    assert failure.get("message", "").endswith("]]> <&")


def test_the_document_is_json_and_complete(report: GateReport) -> None:
    """What the other outputs say can be made of it."""
    document = json.loads(json.dumps(to_document(report)))
    assert document["passed"] is False
    assert [failure["kind"] for failure in document["failures"]] == ["worse", "incomplete"]
    (task,) = document["tasks"]
    (metric,) = task["metrics"]
    assert (metric["name"], metric["problems"], metric["finding"]) == ("base/pass@1", 37, "worse")
    assert len(task["newly_failing"]) == 10
    assert task["newly_passing"] == [
        {
            "task_id": "mini/30",
            "baseline": {"scored": 1, "passed": 0, "status": "failed", "detail": "it failed"},
            "candidate": {"scored": 1, "passed": 1, "status": "passed", "detail": ""},
        }
    ]
    assert task["slowdown"] == pytest.approx(38 / 37)
