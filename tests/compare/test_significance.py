"""The statistics: against scipy and statsmodels, and against simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from coda_eval.compare.significance import (
    Matrix,
    adjust_holm,
    bootstrap_intervals,
    mcnemar_p_value,
    paired_tests,
    power,
    smallest_detectable_drop,
)

ALPHA = 0.05
PAIRS = 2000
PROBLEMS = 164
MONTE_CARLO = 0.03
"""Four standard errors of the difference of two p-values around 0.5, of 10,000 draws each; scipy doubles a tail."""


def simulated_differences(*, drop: float, samples: int, seed: int) -> Matrix:
    """Differences of pass@1 of many pairs of runs, a column a pair; the candidate is worse by `drop` on average.

    Problems are of all difficulties, most of them easy or hard, as in HumanEval; both runs draw their own samples.
    """
    generator = np.random.default_rng(seed)
    rates = generator.beta(0.6, 0.5, size=(PROBLEMS, PAIRS))
    worse = rates * (1 - drop * 1.1 / 0.6)
    return (generator.binomial(samples, worse) - generator.binomial(samples, rates)) / samples


def shown_worse(differences: Matrix) -> Matrix:
    """Which pairs are found to be worse."""
    significant = np.array([test.p_value <= ALPHA for test in paired_tests(differences)])
    return significant & (differences.mean(axis=0) < 0)


@pytest.mark.parametrize("samples", [1, 20])
def test_equal_checkpoints_are_flagged_at_most_alpha_of_the_time(samples: int) -> None:
    """2,000 pairs, worse and better together; three standard errors of the count are allowed for."""
    tests = paired_tests(simulated_differences(drop=0.0, samples=samples, seed=samples))
    flagged = np.mean([test.p_value <= ALPHA for test in tests])
    assert flagged <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / PAIRS)


@pytest.mark.parametrize(("drop", "samples"), [(0.10, 1), (0.03, 20)])
def test_a_true_drop_is_found_with_the_announced_power(drop: float, samples: int) -> None:
    """What each pair announces is, on average, how often the drop is found: within five points."""
    differences = simulated_differences(drop=drop, samples=samples, seed=7)
    announced = np.mean([power(column, drop, alpha=ALPHA) for column in differences.T[:200]])
    found = shown_worse(differences).mean()
    assert 0.3 < found < 0.97
    assert announced == pytest.approx(found, abs=0.05)


@pytest.mark.parametrize(("drop", "samples"), [(0.10, 1), (0.03, 20)])
def test_power_is_known_before_there_is_a_drop(drop: float, samples: int) -> None:
    """Pairs that do not differ announce it too."""
    equal = simulated_differences(drop=0.0, samples=samples, seed=8)
    announced = np.mean([power(column, drop, alpha=ALPHA) for column in equal.T[:200]])
    found = shown_worse(simulated_differences(drop=drop, samples=samples, seed=9)).mean()
    assert announced == pytest.approx(found, abs=0.05)


@pytest.mark.parametrize("samples", [1, 20])
def test_the_detectable_drop_has_a_power_of_four_fifths(samples: int) -> None:
    """To the thousandth that it is given with."""
    (column, *_) = simulated_differences(drop=0.0, samples=samples, seed=10).T
    drop = smallest_detectable_drop(column, alpha=ALPHA)
    assert drop is not None
    assert power(column, drop, alpha=ALPHA) >= 0.8 > power(column, drop - 0.001, alpha=ALPHA)


def test_few_problems_can_show_no_drop_at_all() -> None:
    """Even if all five of five broke, p would be 0.06."""
    assert smallest_detectable_drop(np.zeros(5), alpha=ALPHA) is None


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_that_of_statsmodels(lost: int, gained: int) -> None:
    """The exact one."""
    expected = mcnemar([[0, lost], [gained, 0]], exact=True).pvalue if lost + gained else 1.0
    assert mcnemar_p_value(lost, gained) == pytest.approx(expected)


def test_with_one_sample_a_problem_the_test_is_mcnemars() -> None:
    """Which is what flipping signs comes to."""
    differences = np.array([[-1.0]] * 14 + [[1.0]] * 5 + [[0.0]] * 30)
    (test,) = paired_tests(differences)
    assert test.name == "McNemar, exact"
    assert test.p_value == mcnemar_p_value(14, 5)
    flipped = stats.permutation_test(
        (differences[:, 0],), np.mean, permutation_type="samples", n_resamples=20_000, rng=0
    ).pvalue  # fmt: skip
    assert test.p_value == pytest.approx(flipped, abs=MONTE_CARLO)


@pytest.mark.parametrize("shift", [0.0, -0.02, -0.05])
def test_flipping_signs_is_that_of_scipy(shift: float) -> None:
    """Within what 10,000 draws of either allow."""
    differences = np.random.default_rng(3).integers(-20, 21, size=60) / 100 + shift
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=10_000, vectorized=True, rng=1
    ).pvalue  # fmt: skip
    (test,) = paired_tests(differences[:, None])
    assert test.name == "sign flips"
    assert test.p_value == pytest.approx(expected, abs=MONTE_CARLO)


def test_far_out_the_p_value_is_bounded_and_not_lost_in_the_draws() -> None:
    """Two runs that differ everywhere are told apart at any alpha; the bound is above the normal approximation."""
    differences = np.random.default_rng(0).normal(-0.5, 0.1, size=100)
    (test,) = paired_tests(differences[:, None])
    assert stats.ttest_1samp(differences, 0).pvalue < test.p_value < 1e-15


def test_intervals_are_those_of_scipys_bootstrap() -> None:
    """The percentile method, within the noise of resampling."""
    differences = np.random.default_rng(5).normal(-0.03, 0.2, size=164)
    expected = stats.bootstrap((differences,), np.mean, method="percentile", n_resamples=10_000, rng=2)
    ((low, high),) = bootstrap_intervals(differences[:, None], alpha=ALPHA)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval), abs=0.002)


def test_intervals_cover_the_truth() -> None:
    """About 95 % of 300 intervals."""
    differences = simulated_differences(drop=0.05, samples=5, seed=11)[:, :300]
    covered = [low <= -0.05 <= high for low, high in bootstrap_intervals(differences, alpha=ALPHA)]
    assert 0.91 <= np.mean(covered) <= 0.98


def test_agreement_on_every_problem_is_not_certainty() -> None:
    """None of 85 problems changed: as many as 4 % still may, and nothing is significant."""
    differences = np.zeros((85, 1))
    ((low, high),) = bootstrap_intervals(differences, alpha=ALPHA)
    assert -0.05 < low < -0.03
    assert high == -low
    assert paired_tests(differences)[0].p_value == 1.0


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_holm_is_that_of_statsmodels(count: int) -> None:
    """In the order given, ties and all."""
    p_values = np.random.default_rng(count).choice([0.001, 0.004, 0.01, 0.03, 0.2, 1.0], size=count).tolist()
    assert adjust_holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
