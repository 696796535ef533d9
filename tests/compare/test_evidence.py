"""What is read of a run, and what is found wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compare.judged_runs import edit_verdicts, judged_run, outcomes, write_run

from coda_eval.compare.evidence import read_run
from coda_eval.errors import StoreError
from coda_eval.records import Status


def test_a_run_is_read_with_its_settings_and_speed(tmp_path: Path) -> None:
    """Outcomes by suite, problem and sample."""
    run = judged_run(tmp_path / "run", outcomes(0, 2, problems=4, samples=2), model="step-100")
    assert (run.task, run.protocol, run.model, run.device) == ("mini", "human-eval", "step-100", "cpu")
    assert [outcome.passed for outcome in run.suites["base"]["mini/2"].values()] == [True, True]
    assert run.suites["base"]["mini/1"][0] == (Status.FAILED, "it failed")
    assert run.seconds_a_completion == 2.0 / 8
    assert run.gaps == ()


def test_plus_includes_base(tmp_path: Path) -> None:
    """A program passes plus when it passes both; what failed before keeps its status."""
    base = {"mini/0": [Status.PASSED], "mini/1": [Status.TIMEOUT], "mini/2": [Status.PASSED]}
    plus = {"mini/0": [Status.PASSED], "mini/1": [Status.PASSED], "mini/2": [Status.FAILED]}
    suites = judged_run(tmp_path / "run", base, plus=plus).suites
    assert [suites["plus"][task_id][0].status for task_id in base] == [Status.PASSED, Status.TIMEOUT, Status.FAILED]


def test_metrics_and_verdicts_alone_are_enough(tmp_path: Path) -> None:
    """What the manifest said is then unknown."""
    whole = judged_run(tmp_path / "run", outcomes(0, problems=3))
    for name in ("manifest.json", "samples.jsonl"):
        (tmp_path / "run" / name).unlink()
    alone = read_run(tmp_path / "run")
    assert (alone.suites, alone.latency, alone.task) == (whole.suites, whole.latency, whole.task)
    assert not alone.settings_are_whole


def test_a_torn_last_line_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    """As the run itself would."""
    run = write_run(tmp_path / "run", outcomes(0, problems=3))
    verdicts = run / "verdicts.jsonl"
    before = read_run(run).suites
    verdicts.write_text(verdicts.read_text().replace("\n", "\n\n", 1) + '{"task_id": "mini/')
    assert read_run(run).suites == before


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param("not json", "line 4", id="not JSON"),
        pytest.param('{"task_id": "mini/0"}', "sample", id="a field is missing"),
        pytest.param(
            '{"task_id": "mini/0", "sample": 0, "suite": "base", "status": "great", "detail": ""}', "great", id="status"
        ),
        pytest.param("[1, 2], [3]", "line 4", id="two values on a line"),
    ],
)
def test_a_damaged_verdict_is_named(tmp_path: Path, line: str, says: str) -> None:
    """In one line, with the file."""
    run = write_run(tmp_path / "run", outcomes(0, problems=3))
    with (run / "verdicts.jsonl").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(StoreError, match=rf"verdicts.jsonl: .*{says}"):
        read_run(run)


def test_what_is_not_finished_says_so(tmp_path: Path) -> None:
    """It can be read all the same."""
    run = judged_run(tmp_path / "run", outcomes(0, problems=3), finish=False)
    assert run.gaps == ("it has no metrics.json: the run is not finished",)


def test_a_run_without_verdicts_is_refused(tmp_path: Path) -> None:
    """There is nothing to compare."""
    run = write_run(tmp_path / "run", {"mini/0": [None]}, finish=False)
    with pytest.raises(StoreError, match="no verdicts yet"):
        read_run(run)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"task": "mini", "protocol": "human-eval", "samples": "three", "pass_at_k": {}, "latency": {}}',
    ],
)
def test_a_damaged_metrics_file_is_named(tmp_path: Path, content: str) -> None:
    """In one line."""
    run = write_run(tmp_path / "run", outcomes(0, problems=3))
    (run / "metrics.json").write_text(content)
    with pytest.raises(StoreError, match=r"metrics.json: cannot be read"):
        read_run(run)


def test_removed_verdicts_are_counted(tmp_path: Path) -> None:
    """Against what the metrics know."""
    run = write_run(tmp_path / "run", outcomes(0, problems=4))
    edit_verdicts(run, lambda rows: rows[:3])
    assert "1 sample of 4 without a verdict" in read_run(run).gaps


def test_repeated_verdicts_count_once_and_are_named(tmp_path: Path) -> None:
    """The first one counts, and contradictions are counted."""
    run = write_run(tmp_path / "run", outcomes(0, problems=4))
    before = read_run(run).suites
    edit_verdicts(run, lambda rows: [*rows, rows[0], {**rows[1], "status": "passed"}])
    after = read_run(run)
    assert after.suites == before
    assert after.gaps == ("2 verdicts repeated, 1 of them with another status (mini/0, mini/1)",)


def test_verdicts_that_contradict_the_metrics_are_named(tmp_path: Path) -> None:
    """Somebody edited one of the two."""
    run = write_run(tmp_path / "run", outcomes(0, problems=4))
    edit_verdicts(run, lambda rows: [{**row, "status": "passed"} for row in rows])
    assert read_run(run).gaps == ("metrics.json says base pass@1 is 0.2500, the verdicts say 1.0000",)


def test_a_program_that_plus_did_not_judge_is_named(tmp_path: Path) -> None:
    """It has no outcome there, rather than a wrong one."""
    base, plus = outcomes(0, 1, problems=2), {"mini/0": [Status.PASSED], "mini/1": [None]}
    run = judged_run(tmp_path / "run", base, plus=plus)
    assert 0 not in run.suites["plus"].get("mini/1", {})
    assert "1 sample without a verdict in plus (mini/1)" in run.gaps


def test_metrics_of_a_later_version_are_read(tmp_path: Path) -> None:
    """Fields that are not known here are passed over."""
    run = write_run(tmp_path / "run", outcomes(0, problems=3))
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["latency"]["p99_9_s"] = 1.0
    (run / "metrics.json").write_text(json.dumps({**metrics, "colour": "blue"}))
    assert read_run(run).gaps == ()
