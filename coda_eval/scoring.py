"""From verdicts to pass@k with 95 % intervals.

pass@k is the unbiased estimator of Chen et al. 2021 (arXiv:2107.03374, eq. 1). A sample without a verdict is unscored:
it counts neither as passed nor as failed. Nothing here depends on the order of samples or verdicts.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from coda_eval.records import Estimate, LatencySummary, Metrics, Sample, Status, Verdict

KS = (1, 10, 100)
Z95 = statistics.NormalDist().inv_cdf(0.975)
UNKNOWN = Estimate(value=None, ci95=None)


def pass_at_k(scored: int, passed: int, k: int) -> float:
    """The probability that one at least of `k` samples passes, drawn from `scored` of which `passed` passed.

    Raises:
        ValueError: there are fewer than `k` samples, so that there is no unbiased estimate.
    """
    if not 0 <= passed <= scored or not 1 <= k <= scored:
        raise ValueError(f"pass@k needs 0 <= passed <= scored and 1 <= k <= scored; {passed=}, {scored=}, {k=}")
    # Exact integers: the quotient is rounded once, so that the estimate is monotone in `passed` and in `k`.
    return 1.0 - math.comb(scored - passed, k) / math.comb(scored, k)


def wilson_interval(successes: float, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927)."""
    share = successes / trials
    scale = 1 + Z95**2 / trials
    centre = (share + Z95**2 / (2 * trials)) / scale
    half = Z95 * math.sqrt(share * (1 - share) / trials + Z95**2 / (4 * trials**2)) / scale
    # At 0 and at 1 the interval ends there exactly; rounding would leave it a hair inside.
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == trials else centre + half)


def estimate_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> Estimate:
    """The mean of pass@k over problems, given (scored, passed) of each, and its 95 % interval.

    With one sample a problem the interval is Wilson's. With more, samples of a problem are not independent: the problem
    is the unit, and the interval is normal with the standard error of the mean over problems, clipped to [0, 1]. Where
    all problems agree that error is 0 and would claim certainty; Wilson's interval over problems stands in.

    Returns:
        `UNKNOWN` where a problem has fewer than `k` scored samples, or there is no problem.
    """
    counts = list(counts)
    if not counts or min(scored for scored, _ in counts) < k:
        return UNKNOWN
    estimates = [pass_at_k(scored, passed, k) for scored, passed in counts]
    problems = len(estimates)
    total = math.fsum(estimates)
    mean = total / problems
    one_sample_each = all(scored == 1 for scored, _ in counts)
    if one_sample_each or len(set(estimates)) == 1:
        return Estimate(value=mean, ci95=wilson_interval(total, problems))
    half = Z95 * statistics.stdev(estimates) / math.sqrt(problems)
    return Estimate(value=mean, ci95=(max(0.0, mean - half), min(1.0, mean + half)))


def compute_metrics(
    samples: Iterable[Sample], verdicts: Iterable[Verdict], *, task: str, protocol: str, suites: Sequence[str]
) -> Metrics:
    """The metrics of a run. Samples and verdicts are read once, as streams; a verdict on no sample does not count.

    Args:
        suites: the task's, each including those before it: a program passes `plus` when it passes `base` and `plus`.
    """
    keys: set[tuple[str, int]] = set()
    speed = _SpeedTally()
    for sample in samples:
        keys.add((sample.task_id, sample.sample))
        speed.add(sample)
    sampled = Counter(task_id for task_id, _ in keys)

    statuses: dict[str, dict[tuple[str, int], Status]] = {suite: {} for suite in suites}
    for verdict in verdicts:
        if (key := (verdict.task_id, verdict.sample)) in keys and verdict.suite in statuses:
            statuses[verdict.suite][key] = verdict.status

    estimates = {}
    outcomes = {}
    for index, suite in enumerate(suites):
        outcomes = _outcomes(keys, [statuses[included] for included in suites[: index + 1]])
        counts = dict.fromkeys(sampled, (0, 0))
        for (task_id, _), status in outcomes.items():
            scored, passed = counts[task_id]
            counts[task_id] = (scored + 1, passed + (status is Status.PASSED))
        estimates[suite] = {
            f"pass@{k}": estimate_pass_at_k(counts.values(), k) for k in KS if k <= max(sampled.values(), default=1)
        }
    return Metrics(
        task=task,
        protocol=protocol,
        problems=len(sampled),
        samples=len(keys),
        unscored=len(keys) - len(outcomes),
        pass_at_k=estimates,
        statuses=dict(Counter(outcomes.values())),
        latency=speed.summary(),
    )


def _outcomes(
    keys: Iterable[tuple[str, int]], suites: Sequence[Mapping[tuple[str, int], Status]]
) -> dict[tuple[str, int], Status]:
    """Of each sample the first status that is not a pass, else a pass; left out where a verdict is lacking before."""
    outcomes = {}
    for key in keys:
        for suite in suites:
            status = suite.get(key)
            if status is not Status.PASSED:
                break
        if status is not None:
            outcomes[key] = status
    return outcomes


class _SpeedTally:
    """Sums over a stream of samples what `LatencySummary` needs."""

    def __init__(self) -> None:
        # By index and latency: a resumed run may count its batches from 0 again.
        self._batches: set[tuple[int, float]] = set()
        self._tokens: list[int | None] = []
        self._nfe_full: list[int] = []
        self._nfe_window: list[int] = []

    def add(self, sample: Sample) -> None:
        if sample.batch is not None and sample.latency_s is not None:
            self._batches.add((sample.batch, sample.latency_s))
            self._tokens.append(sample.tokens)
        if sample.nfe_full is not None:
            self._nfe_full.append(sample.nfe_full)
        if sample.nfe_window is not None:
            self._nfe_window.append(sample.nfe_window)

    def summary(self) -> LatencySummary:
        nfe_full = statistics.fmean(self._nfe_full) if self._nfe_full else None
        nfe_window = statistics.fmean(self._nfe_window) if self._nfe_window else None
        if not self._batches:
            return LatencySummary(nfe_full=nfe_full, nfe_window=nfe_window)
        seconds = [latency_s for _, latency_s in self._batches]
        total_s = math.fsum(seconds)
        tokens = [count for count in self._tokens if count is not None]
        countable = len(tokens) == len(self._tokens) and total_s > 0
        p50_s, p90_s = np.percentile(seconds, [50, 90]).tolist()
        return LatencySummary(
            p50_s=p50_s,
            p90_s=p90_s,
            total_s=total_s,
            tokens_per_s=sum(tokens) / total_s if countable else None,
            nfe_full=nfe_full,
            nfe_window=nfe_window,
        )
