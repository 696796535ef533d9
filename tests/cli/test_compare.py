"""`compare` and `history` as a CI job meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from compare.judged_runs import outcomes, write_run

LIBRARIES_OF_COMPARE = {"click", "numpy"}
"""What `action.yml` installs."""


def coda_eval(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from coda_eval.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "GITHUB_STEP_SUMMARY": "", **environment},
        timeout=60,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`step-100`, which solves 30 of 40 problems; `step-200`, one fewer; `step-300`, twelve fewer."""
    place = tmp_path_factory.mktemp("runs")
    for step, solved in ((100, 30), (200, 29), (300, 18)):
        write_run(place / f"step-{step}", outcomes(*range(solved), problems=40), model=f"step-{step}")
    return place


def test_what_may_be_noise_exits_with_0(runs: Path) -> None:
    """And is not called the same."""
    done = coda_eval("compare", runs / "step-100", runs / "step-200")
    assert done.returncode == 0, done.stderr
    assert "not shown" in done.stdout
    assert "gate: passed" in done.stdout
    assert "newly failing: 1\n    mini/29: passed → failed: it failed\n" in done.stdout


def test_a_regression_exits_with_1_and_says_which(runs: Path) -> None:
    """The reason is the last thing in the log."""
    done = coda_eval("compare", runs / "step-100", runs / "step-300")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("  worse: mini base/pass@1 dropped by 30.0 points")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["step-100", "nowhere"], "nowhere", id="no such run"),
        pytest.param(["step-100", "step-200", "--max-drop", "-1"], "--max-drop", id="a limit without sense"),
        pytest.param(["step-100", "step-200", "--metric", "pass@7"], "pass@1", id="no such metric"),
        pytest.param(
            ["step-100", "step-200", "--junit", "no/where.xml"], "no/where.xml", id="an output that cannot be"
        ),
    ],
)
def test_misuse_exits_with_2_and_one_line(runs: Path, arguments: list[str], says: str) -> None:
    """No traceback."""
    done = coda_eval("compare", *(runs / text if text[0] in "sn" else text for text in arguments))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert says in line


def test_an_allowed_difference_is_told(tmp_path: Path, runs: Path) -> None:
    """In every output."""
    other = write_run(tmp_path / "other", outcomes(*range(30), problems=40), dataset_sha256="d1")
    assert "dataset_sha256" in coda_eval("compare", runs / "step-100", other).stderr
    markdown = tmp_path / "compare.md"
    allowed = ["compare", runs / "step-100", other, "--allow", "dataset_sha256", "--markdown", markdown]
    assert "ALLOWED to differ: dataset_sha256 is d0" in coda_eval(*allowed).stdout
    assert "ALLOWED to differ: dataset\\_sha256 is d0" in markdown.read_text()
    (task,) = json.loads(coda_eval(*allowed, "--json").stdout)["tasks"]
    assert task["differing"]["allowed"] == [{"field": "dataset_sha256", "there": "d0", "here": "d1"}]


def test_all_outputs_of_one_call_agree(tmp_path: Path, runs: Path) -> None:
    """JSON on stdout, two files, and the job's summary, to which is added."""
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    done = coda_eval(
        "compare", runs / "step-100", runs / "step-300", "--json",
        "--markdown", tmp_path / "c.md", "--junit", tmp_path / "c.xml", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["passed"] is False
    assert len(document["tasks"][0]["newly_failing"]) == 12
    assert summary.read_text() == "# before\n" + (tmp_path / "c.md").read_text()
    suites = ElementTree.parse(tmp_path / "c.xml").getroot()
    assert [suite.get("failures") for suite in suites] == ["1", "12"]


def test_history_names_the_first_worse_checkpoint(tmp_path: Path, runs: Path) -> None:
    """In the table, the chart's file and the JSON."""
    arguments = ["history", *(runs / f"step-{step}" for step in (300, 100, 200)), "--out", tmp_path / "history.png"]
    done = coda_eval(*arguments)
    assert done.returncode == 0, done.stderr
    assert "first worse: step 300, against step 100" in done.stdout
    assert (tmp_path / "history.png").stat().st_size > 10_000
    document = json.loads(coda_eval(*arguments, "--json").stdout)
    assert document["first_worse"] == 2
    assert document["checkpoints"][2]["against"]["best"] == 0


def test_compare_loads_two_libraries_only(tmp_path: Path, runs: Path) -> None:
    """So that a CI job installs them in seconds, and starts at once: no JAX, no engine, nothing that draws."""
    script = (
        "import sys; before = set(sys.modules)\n"
        "from coda_eval.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print(*sorted(name for name in loaded if hasattr(sys.modules.get(name), '__file__')), file=sys.stderr)\n"
    )
    files = ["--markdown", tmp_path / "c.md", "--junit", tmp_path / "c.xml"]
    done = subprocess.run(
        [sys.executable, "-c", script, "compare", runs / "step-100", runs / "step-300", *files],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split()) - {"coda_eval"}
    assert {name for name in loaded if not name.startswith(("_", "cython"))} <= LIBRARIES_OF_COMPARE
