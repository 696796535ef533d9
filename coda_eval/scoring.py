"""From verdicts to pass@k with 95 % intervals.

pass@k is the unbiased estimator of Chen et al. 2021 (arXiv:2107.03374, eq. 1). A sample without a verdict is unscored:
it counts neither as passed nor as failed. Nothing here depends on the order of samples or verdicts.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from coda_eval.records import (
    Estimate,
    ExtractionEffect,
    LatencySummary,
    Metrics,
    ProblemRow,
    Sample,
    Status,
    Verdict,
)

KS = (1, 10, 100)
PERCENTILES = (50, 90, 99)
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


SampleKey = tuple[str, int]
"""task_id and sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringPlan:
    """What the metrics of a run are to say, beyond its samples and verdicts."""

    task: str
    protocol: str
    suites: Sequence[str]
    """Each including those before it: a program passes `plus` when it passes `base` and `plus`."""
    problems: int | None = None
    """How many the task has, where those without a sample are to be counted."""
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Values of problems by task_id, by the name of the breakdown."""
    extractors: Sequence[str] = ()
    """Those tried beside the protocol's own. Their verdicts bear the suite `SUITE@EXTRACTOR`; where there is none the
    program was the same."""
    extractor_suites: Sequence[str] = ()
    """The suites that they were tried under."""
    rejected: int = 0
    """Lines of a samples file that were passed over."""


class Tally:
    """Samples and verdicts of a run, counted. Each is read once, as a stream; a verdict on no sample does not count."""

    def __init__(self, samples: Iterable[Sample], verdicts: Iterable[Verdict]) -> None:
        self._speed = _SpeedTally()
        self._keys: dict[SampleKey, None] = {}
        for sample in samples:
            self._keys[sys.intern(sample.task_id), sample.sample] = None
            self._speed.add(sample)
        self._sampled = Counter(task_id for task_id, _ in self._keys)
        self._statuses: dict[str, dict[SampleKey, Status]] = {}
        for verdict in verdicts:
            if (key := (sys.intern(verdict.task_id), verdict.sample)) in self._keys:
                self._statuses.setdefault(verdict.suite, {})[key] = verdict.status

    def metrics(self, plan: ScoringPlan) -> Metrics:
        """What the run amounts to."""
        outcomes = self._outcomes_by_suite(plan.suites)
        last = outcomes[plan.suites[-1]]
        ks = [k for k in KS if k <= max(self._sampled.values(), default=1)]
        return Metrics(
            task=plan.task,
            protocol=plan.protocol,
            problems=len(self._sampled),
            samples=len(self._keys),
            unscored=len(self._keys) - len(last),
            pass_at_k={
                suite: {f"pass@{k}": estimate_pass_at_k(self._counts(passed).values(), k) for k in ks}
                for suite, passed in outcomes.items()
            },
            statuses=dict(Counter(last.values())),
            latency=self._speed.summary(),
            missing=0 if plan.problems is None else plan.problems - len(self._sampled),
            rejected=plan.rejected,
            alone={
                suite: estimate_pass_at_k(self._counts(self._statuses.get(suite, {})).values(), 1)
                for suite in plan.suites[1:]
            },
            breakdown={name: self._break_down(last, values) for name, values in plan.groups.items()},
            extraction={name: self._effect(last, plan.extractor_suites, name) for name in plan.extractors},
        )

    def problem_rows(self, suites: Sequence[str]) -> list[ProblemRow]:
        """What became of each problem, in the order of the samples."""
        outcomes = self._outcomes_by_suite(suites)
        counts = {suite: self._counts(passed) for suite, passed in outcomes.items()}
        statuses: dict[str, Counter[Status]] = {task_id: Counter() for task_id in self._sampled}
        for (task_id, _), status in outcomes[suites[-1]].items():
            statuses[task_id][status] += 1
        return [
            ProblemRow(
                task_id=task_id,
                samples=made,
                unscored=made - counts[suites[-1]][task_id][0],
                passed={suite: counts[suite][task_id][1] for suite in suites},
                statuses=dict(statuses[task_id]),
            )
            for task_id, made in self._sampled.items()
        ]

    def _outcomes_by_suite(self, suites: Sequence[str]) -> dict[str, dict[SampleKey, Status]]:
        table = [self._statuses.get(suite, {}) for suite in suites]
        return {suite: _outcomes(self._keys, table[: index + 1]) for index, suite in enumerate(suites)}

    def _counts(self, outcomes: Mapping[SampleKey, Status]) -> dict[str, tuple[int, int]]:
        """Of each problem that has a sample, how many were scored and how many passed."""
        counts = dict.fromkeys(self._sampled, (0, 0))
        for (task_id, _), status in outcomes.items():
            scored, passed = counts[task_id]
            counts[task_id] = (scored + 1, passed + (status is Status.PASSED))
        return counts

    def _break_down(self, outcomes: Mapping[SampleKey, Status], values: Mapping[str, str]) -> dict[str, Estimate]:
        groups: dict[str, list[tuple[int, int]]] = {}
        for task_id, count in self._counts(outcomes).items():
            groups.setdefault(values[task_id], []).append(count)
        return {value: estimate_pass_at_k(group, 1) for value, group in sorted(groups.items())}

    def _effect(self, own: Mapping[SampleKey, Status], suites: Sequence[str], extractor: str) -> ExtractionEffect:
        table = [
            {**self._statuses.get(suite, {}), **self._statuses.get(f"{suite}@{extractor}", {})} for suite in suites
        ]
        other = _outcomes(self._keys, table)
        changed = sum((own[key] is Status.PASSED) != (other[key] is Status.PASSED) for key in own.keys() & other.keys())
        return ExtractionEffect(changed=changed, pass_at_1=estimate_pass_at_k(self._counts(other).values(), 1))


def compute_metrics(samples: Iterable[Sample], verdicts: Iterable[Verdict], plan: ScoringPlan) -> Metrics:
    """The metrics of a run's samples and verdicts."""
    return Tally(samples, verdicts).metrics(plan)


def _outcomes(keys: Iterable[SampleKey], suites: Sequence[Mapping[SampleKey, Status]]) -> dict[SampleKey, Status]:
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
        self._batches: Counter[tuple[int, float]] = Counter()
        self._tokens: list[int | None] = []
        self._nfe_full: list[int] = []
        self._nfe_window: list[int] = []

    def add(self, sample: Sample) -> None:
        if sample.batch is not None and sample.latency_s is not None:
            self._batches[sample.batch, sample.latency_s] += 1
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
        shares = [latency_s / count for (_, latency_s), count in self._batches.items() for _ in range(count)]
        p50_s, p90_s, p99_s = np.percentile(seconds, PERCENTILES).tolist()
        problem_p50_s, problem_p90_s, problem_p99_s = np.percentile(shares, PERCENTILES).tolist()
        return LatencySummary(
            p50_s=p50_s,
            p90_s=p90_s,
            p99_s=p99_s,
            problem_p50_s=problem_p50_s,
            problem_p90_s=problem_p90_s,
            problem_p99_s=problem_p99_s,
            total_s=total_s,
            tokens_per_s=sum(tokens) / total_s if countable else None,
            nfe_full=nfe_full,
            nfe_window=nfe_window,
        )
