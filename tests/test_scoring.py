"""From verdicts to pass@k."""

import itertools
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from coda_eval.records import Estimate, LatencySummary, Metrics, ProblemRow, Sample, Status, Verdict
from coda_eval.scoring import (
    UNKNOWN,
    ScoringPlan,
    Tally,
    compute_metrics,
    estimate_pass_at_k,
    pass_at_k,
    wilson_interval,
)


@st.composite
def counts(draw: st.DrawFn, most: int = 200) -> tuple[int, int, int]:
    """(scored, passed, k) that have an estimate."""
    scored = draw(st.integers(1, most))
    return scored, draw(st.integers(0, scored)), draw(st.integers(1, scored))


@given(counts())
def test_pass_at_k_is_a_probability(case: tuple[int, int, int]) -> None:
    scored, passed, k = case
    value = pass_at_k(scored, passed, k)
    assert 0 <= value <= 1
    assert (value == 0) == (passed == 0)
    assert value == 1 or scored - passed >= k


@given(counts())
def test_pass_at_k_grows_with_k_and_with_passes(case: tuple[int, int, int]) -> None:
    scored, passed, k = case
    value = pass_at_k(scored, passed, k)
    if k < scored:
        assert pass_at_k(scored, passed, k + 1) >= value
    if passed < scored:
        assert pass_at_k(scored, passed + 1, k) >= value


@given(counts(most=9))
def test_pass_at_k_is_the_share_of_draws_that_hold_a_pass(case: tuple[int, int, int]) -> None:
    scored, passed, k = case
    draws = [any(draw) for draw in itertools.combinations([True] * passed + [False] * (scored - passed), k)]
    assert pass_at_k(scored, passed, k) == pytest.approx(sum(draws) / len(draws), abs=1e-12)


@pytest.mark.parametrize(("scored", "passed", "k"), [(0, 0, 1), (1, 0, 2), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_pass_at_k_has_no_value_where_it_has_no_meaning(scored: int, passed: int, k: int) -> None:
    with pytest.raises(ValueError, match="1 <= k <= scored"):
        pass_at_k(scored, passed, k)


@given(st.integers(1, 2000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilson_interval_equals_scipy(case: tuple[int, int]) -> None:
    expected = stats.binomtest(*case).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_interval(*case) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_one_sample_a_problem_has_wilsons_interval() -> None:
    estimate = estimate_pass_at_k([(1, 1)] * 78 + [(1, 0)] * 86, 1)
    assert estimate == Estimate(value=78 / 164, ci95=wilson_interval(78, 164))


def test_several_samples_have_the_interval_of_the_mean_over_problems() -> None:
    """Ten samples of a problem that all agree say no more than one."""
    estimate = estimate_pass_at_k([(10, 10)] * 40 + [(10, 0)] * 60, 1)
    error = math.sqrt(0.4 * 0.6 / 99)
    assert estimate.value == pytest.approx(0.4)
    assert estimate.ci95 == pytest.approx((0.4 - 1.959964 * error, 0.4 + 1.959964 * error), abs=1e-6)


def test_an_interval_stays_within_0_and_1() -> None:
    estimate = estimate_pass_at_k([(2, 2)] * 9 + [(2, 1)], 1)
    assert estimate.ci95 is not None
    assert estimate.ci95[1] == 1.0


@pytest.mark.parametrize("passed", [0, 10])
def test_unanimous_problems_are_not_certainty(passed: int) -> None:
    estimate = estimate_pass_at_k([(10, passed)] * 50, 1)
    assert estimate.ci95 == wilson_interval(5 * passed, 50)


@pytest.mark.parametrize("cases", [[], [(0, 0)], [(10, 3), (9, 9)]])
def test_too_few_scored_samples_are_unknown_and_not_0(cases: Sequence[tuple[int, int]]) -> None:
    assert estimate_pass_at_k(cases, 10) == UNKNOWN


def sample(task_id: str, number: int = 0, **timing: float | int | None) -> Sample:
    return Sample(
        task_id=task_id,
        sample=number,
        prompt_sha256="",
        completion="",
        solution="",
        stop_reason="length",
        **timing,  # type: ignore[arg-type]
    )


def verdict(task_id: str, status: Status, number: int = 0, suite: str = "base") -> Verdict:
    return Verdict(task_id=task_id, sample=number, suite=suite, status=status)


def metrics(samples: Sequence[Sample], verdicts: Sequence[Verdict], suites: Sequence[str] = ("base",)) -> Metrics:
    return compute_metrics(samples, verdicts, ScoringPlan(task="t", protocol="p", suites=suites))


def test_a_scored_run() -> None:
    found = metrics(
        [sample("a"), sample("b"), sample("c")],
        [verdict("a", Status.PASSED), verdict("b", Status.TIMEOUT), verdict("c", Status.PASSED)],
    )
    assert found == Metrics(
        task="t",
        protocol="p",
        problems=3,
        samples=3,
        unscored=0,
        pass_at_k={"base": {"pass@1": Estimate(value=2 / 3, ci95=wilson_interval(2, 3))}},
        statuses={Status.PASSED: 2, Status.TIMEOUT: 1},
        latency=LatencySummary(),
    )


def test_an_unscored_sample_makes_pass_at_k_unknown() -> None:
    found = metrics([sample("a"), sample("b")], [verdict("a", Status.PASSED)])
    assert found.unscored == 1
    assert found.pass_at_k == {"base": {"pass@1": UNKNOWN}}
    assert found.statuses == {Status.PASSED: 1}


def test_k_goes_as_far_as_there_are_samples() -> None:
    samples = [sample(task_id, number) for task_id in "ab" for number in range(10)]
    verdicts = [verdict(one.task_id, Status.PASSED if one.sample < 5 else Status.FAILED, one.sample) for one in samples]
    found = metrics(samples, verdicts)
    assert list(found.pass_at_k["base"]) == ["pass@1", "pass@10"]
    assert found.pass_at_k["base"]["pass@10"].value == 1.0


def test_plus_is_passed_by_what_passes_base_and_plus() -> None:
    """A program that fails base needs no verdict on plus; one that passes base does."""
    found = metrics(
        [sample(task_id) for task_id in "abcd"],
        [
            *[verdict(task_id, Status.PASSED) for task_id in "abd"],
            verdict("c", Status.TIMEOUT),
            verdict("a", Status.PASSED, suite="plus"),
            verdict("b", Status.FAILED, suite="plus"),
        ],
        suites=("base", "plus"),
    )
    assert found.pass_at_k["base"]["pass@1"].value == 0.75
    assert found.pass_at_k["plus"]["pass@1"] == UNKNOWN
    assert found.statuses == {Status.PASSED: 1, Status.FAILED: 1, Status.TIMEOUT: 1}
    assert found.unscored == 1


def test_plus_is_reported_by_itself_too() -> None:
    found = metrics(
        [sample("a"), sample("b")],
        [
            *[verdict(task_id, Status.FAILED) for task_id in "ab"],
            *[verdict(task_id, Status.PASSED, suite="plus") for task_id in "ab"],
        ],
        suites=("base", "plus"),
    )
    assert found.pass_at_k["plus"]["pass@1"].value == 0.0
    assert found.alone["plus"].value == 1.0


def test_a_breakdown_is_over_the_problems_of_each_group() -> None:
    plan = ScoringPlan(
        task="t", protocol="p", suites=["base"], problems=5, groups={"split": {"a": "train", "b": "test", "c": "test"}}
    )
    verdicts = [verdict("a", Status.PASSED), verdict("b", Status.PASSED), verdict("c", Status.FAILED)]
    found = compute_metrics([sample(task_id) for task_id in "abc"], verdicts, plan)
    assert {value: estimate.value for value, estimate in found.breakdown["split"].items()} == {"test": 0.5, "train": 1}
    assert found.missing == 2


def test_another_extractor_changes_the_verdicts_that_it_changes() -> None:
    """Where there is no verdict under it the program was the same."""
    plan = ScoringPlan(task="t", protocol="p", suites=["base"], extractors=["other"], extractor_suites=["base"])
    verdicts = [
        *[verdict("a", Status.PASSED), verdict("b", Status.FAILED), verdict("c", Status.PASSED)],
        verdict("b", Status.PASSED, suite="base@other"),
        verdict("c", Status.PASSED, suite="base@other"),
    ]
    effect = compute_metrics([sample(task_id) for task_id in "abc"], verdicts, plan).extraction["other"]
    assert (effect.changed, effect.pass_at_1.value) == (1, 1.0)


def test_a_protocol_is_set_beside_the_tasks_own_tests() -> None:
    """coda-paper judges mbpp-plus by three base asserts; the same samples also have their verdicts under evalplus."""
    plan = ScoringPlan(
        task="t", protocol="p", suites=["base"], extractors=["evalplus"], extractor_suites=["base", "plus"]
    )
    verdicts = [
        verdict("a", Status.PASSED),
        verdict("a", Status.PASSED, suite="base@evalplus"),
        verdict("a", Status.FAILED, suite="plus@evalplus"),
    ]
    found = compute_metrics([sample("a")], verdicts, plan)
    assert found.pass_at_k["base"]["pass@1"].value == 1.0
    assert (found.extraction["evalplus"].changed, found.extraction["evalplus"].pass_at_1.value) == (1, 0.0)


def test_a_row_says_what_became_of_a_problem() -> None:
    samples = [sample("b", 0), sample("a", 0), sample("a", 1)]
    verdicts = [
        verdict("a", Status.PASSED),
        verdict("a", Status.PASSED, suite="plus"),
        verdict("a", Status.TIMEOUT, 1),
    ]
    assert Tally(samples, verdicts).problem_rows(["base", "plus"]) == [
        ProblemRow(task_id="b", samples=1, unscored=1, passed={"base": 0, "plus": 0}, statuses={}),
        ProblemRow(
            task_id="a",
            samples=2,
            unscored=0,
            passed={"base": 1, "plus": 1},
            statuses={Status.PASSED: 1, Status.TIMEOUT: 1},
        ),
    ]


def test_a_run_without_samples_has_unknown_metrics() -> None:
    found = metrics([], [])
    assert (found.problems, found.samples, found.unscored) == (0, 0, 0)
    assert found.pass_at_k == {"base": {"pass@1": UNKNOWN}}


def test_a_verdict_on_no_sample_does_not_count() -> None:
    assert metrics([sample("a")], [verdict("a", Status.FAILED), verdict("x", Status.PASSED)]).statuses == {
        Status.FAILED: 1
    }


def test_a_batch_counts_once_in_latency() -> None:
    samples = [
        sample("a", batch=0, latency_s=1.0, tokens=10, nfe_full=64),
        sample("b", batch=0, latency_s=1.0, tokens=20, nfe_full=64),
        sample("c", batch=1, latency_s=3.0, tokens=50, nfe_full=32),
    ]
    latency = metrics(samples, []).latency
    assert (latency.p50_s, latency.total_s, latency.tokens_per_s) == (2.0, 4.0, 20.0)
    assert (latency.p90_s, latency.p99_s) == pytest.approx((2.8, 2.98))
    assert (latency.problem_p50_s, latency.problem_p99_s) == pytest.approx((0.5, 2.95))
    assert latency.nfe_full == pytest.approx(160 / 3)
    assert latency.nfe_window is None


def test_batches_of_a_resumed_run_are_told_apart() -> None:
    """A resumed run may number its batches from 0 again."""
    samples = [sample("a", batch=0, latency_s=1.0), sample("b", batch=0, latency_s=2.0)]
    assert metrics(samples, []).latency.total_s == 3.0


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 12))
def test_order_does_not_matter(seed: int, problems: int, most: int) -> None:
    chance = random.Random(seed)
    samples = [
        sample(f"t{problem}", number, batch=number, latency_s=chance.random(), tokens=chance.randrange(99))
        for problem in range(problems)
        for number in range(chance.randint(1, most))
    ]
    verdicts = [
        verdict(one.task_id, chance.choice(list(Status)), one.sample) for one in samples if chance.random() < 0.9
    ]
    expected = metrics(samples, verdicts)
    chance.shuffle(samples)
    chance.shuffle(verdicts)
    assert metrics(samples, verdicts) == expected
