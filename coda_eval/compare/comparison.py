"""Two runs of a task side by side: differences of pass@k, and what they are worth."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from coda_eval.compare.changes import (
    Flip,
    SpeedChange,
    StatusChange,
    compare_speed,
    compare_statuses,
    find_gaps,
    summarize,
)
from coda_eval.compare.comparability import Comparability, check_comparable
from coda_eval.compare.evidence import Evidence, Outcomes, natural_order, tally
from coda_eval.compare.significance import (
    PairedTest,
    Vector,
    adjust_holm,
    bootstrap_intervals,
    paired_tests,
    power,
    smallest_detectable_drop,
)
from coda_eval.compare.sources import Pair
from coda_eval.errors import ConfigError
from coda_eval.scoring import KS, pass_at_k


class Finding(StrEnum):
    """What the data show. That they do not show a difference does not mean that there is none."""

    WORSE = "worse"
    BETTER = "better"
    NOT_SHOWN = "not shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDifference:
    """One metric of one task; shares, not percentages."""

    task: str
    suite: str
    metric: str
    """`pass@1`, say."""
    problems: int
    baseline: float
    candidate: float
    difference: float
    """Candidate minus baseline."""
    interval: tuple[float, float]
    """Of the difference, at 1 - alpha, for this metric alone."""
    test: str
    p_value: float
    """Two-sided, for this metric alone."""
    p_adjusted: float
    """Among all metrics compared at once."""
    finding: Finding
    detectable_drop: float | None
    """The true drop that so many problems would have shown with probability 0.8; None if not even one of 1."""
    power_at_max_drop: float | None
    """The probability with which a true drop of the gate's `max_drop` would have been shown; None for a limit of 0."""

    @property
    def name(self) -> str:
        """With its suite, as `--metric` takes it."""
        return f"{self.suite}/{self.metric}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """Everything about one task."""

    baseline: Evidence
    candidate: Evidence
    problems: int
    """That both have judged."""
    samples: tuple[int, int]
    """Judged on those, of the baseline and of the candidate."""
    metrics: tuple[MetricDifference, ...]
    newly_failing: tuple[Flip, ...]
    newly_passing: tuple[Flip, ...]
    statuses: tuple[StatusChange, ...]
    speed: tuple[SpeedChange, ...]
    same_device: bool
    comparability: Comparability
    gaps: tuple[str, ...]
    """What is missing or contradicts itself, a line each."""

    @property
    def slowdown(self) -> float | None:
        """Seconds a completion of the candidate by those of the baseline; None where one is not recorded."""
        there, here = self.baseline.seconds_a_completion, self.candidate.seconds_a_completion
        return here / there if there and here is not None else None


class _Compared(NamedTuple):
    """A metric before multiplicity is known."""

    suite: str
    metric: str
    baseline: float
    candidate: float
    differences: Vector
    interval: tuple[float, float]
    test: PairedTest


def compare_runs(
    pairs: Sequence[Pair],
    *,
    alpha: float,
    max_drop: float = 0.0,
    metrics: Sequence[str] = (),
    allow: Sequence[str] = (),
) -> tuple[TaskComparison, ...]:
    """Compares each pair; p-values are adjusted over everything that is compared here.

    Args:
        pairs: runs of the same tasks.
        alpha: the probability of a false alarm, over all metrics together.
        max_drop: a drop of interest, as a share, whose power is announced.
        metrics: `pass@1` or `plus/pass@1`; all that both runs have where it is empty.
        allow: fields in which runs may differ.

    Raises:
        ConfigError: runs do not compare, have no problem in common, or lack a metric.
    """
    comparabilities = [check_comparable(*pair, allow=allow) for pair in pairs]
    problems = [shared_problems(pair) for pair in pairs]
    compared = [
        _compare_metrics(pair, shared, alpha=alpha, metrics=metrics)
        for pair, shared in zip(pairs, problems, strict=True)
    ]
    adjusted = iter(adjust_holm([metric.test.p_value for group in compared for metric in group]))
    family = sum(map(len, compared))
    comparisons = []
    for pair, shared, comparability, group in zip(pairs, problems, comparabilities, compared, strict=True):
        differences = tuple(
            _conclude(pair.baseline.task, metric, next(adjusted), alpha=alpha, family=family, max_drop=max_drop)
            for metric in group
        )
        comparisons.append(_compare_pair(pair, shared, comparability, differences))
    return tuple(comparisons)


def _compare_metrics(pair: Pair, shared: Sequence[str], *, alpha: float, metrics: Sequence[str]) -> list[_Compared]:
    available = {
        f"{suite}/pass@{k}": (suite, k)
        for suite in _shared_suites(pair)
        for k in KS
        if k <= _fewest_samples(pair, suite, shared)
    }
    named = {metric: [name for name in available if metric in (name, name.partition("/")[2])] for metric in metrics}
    if missing := [metric for metric, names in named.items() if not names]:
        raise ConfigError(
            f"--metric {missing[0]} is not in both runs of {pair.baseline.task}; choose among {', '.join(available)}"
        )
    wanted = [
        column for name, column in available.items() if not metrics or any(name in names for names in named.values())
    ]
    counts = [{suite: count_samples(run.suites[suite], shared) for suite, _ in wanted} for run in pair]
    baseline, candidate = (
        np.stack([estimate_problems(counted[suite], k) for suite, k in wanted], axis=1) for counted in counts
    )
    differences = candidate - baseline
    intervals, tests = bootstrap_intervals(differences, alpha=alpha), paired_tests(differences)
    return [
        _Compared(
            suite=suite,
            metric=f"pass@{k}",
            baseline=float(baseline[:, column].mean()),
            candidate=float(candidate[:, column].mean()),
            differences=differences[:, column],
            interval=intervals[column],
            test=tests[column],
        )
        for column, (suite, k) in enumerate(wanted)
    ]


def _shared_suites(pair: Pair) -> list[str]:
    return [suite for suite in pair.baseline.suites if suite in pair.candidate.suites]


def shared_problems(pair: Pair) -> list[str]:
    """The problems that every suite has judged in both runs; ordered, for resampling depends on it.

    Raises:
        ConfigError: there are none.
    """
    outcomes = [run.suites[suite] for suite in _shared_suites(pair) for run in pair]
    shared = [task_id for task_id in outcomes[0] if all(judged.get(task_id) for judged in outcomes)] if outcomes else []
    if not shared:
        raise ConfigError(
            f"{pair.baseline.source} and {pair.candidate.source} have no judged problem in common; "
            "name two runs of the same task"
        )
    return sorted(shared, key=natural_order)


def _fewest_samples(pair: Pair, suite: str, shared: Sequence[str]) -> int:
    return min(len(run.suites[suite][task_id]) for run in pair for task_id in shared)


def count_samples(outcomes: Outcomes, problems: Sequence[str]) -> list[tuple[int, int]]:
    """How many samples of each problem are scored, and how many passed."""
    return [tally(outcomes[task_id]) for task_id in problems]


def estimate_problems(counts: Sequence[tuple[int, int]], k: int) -> Vector:
    """pass@k of each problem."""
    estimate = functools.cache(pass_at_k)  # many problems have the same counts
    return np.array([estimate(scored, passed, k) for scored, passed in counts])


def _conclude(
    task: str, metric: _Compared, p_adjusted: float, *, alpha: float, family: int, max_drop: float
) -> MetricDifference:
    difference = metric.candidate - metric.baseline
    # What Holm's correction asks of the first of the family; of the others it asks less.
    level = alpha / family
    return MetricDifference(
        task=task,
        suite=metric.suite,
        metric=metric.metric,
        problems=len(metric.differences),
        baseline=metric.baseline,
        candidate=metric.candidate,
        difference=difference,
        interval=metric.interval,
        test=metric.test.name,
        p_value=metric.test.p_value,
        p_adjusted=p_adjusted,
        finding=find(difference, p_adjusted, alpha=alpha),
        detectable_drop=smallest_detectable_drop(metric.differences, alpha=level),
        power_at_max_drop=power(metric.differences, max_drop, alpha=level) if max_drop else None,
    )


def find(difference: float, p_adjusted: float, *, alpha: float) -> Finding:
    """What a test says of a difference."""
    if p_adjusted > alpha:
        return Finding.NOT_SHOWN
    return Finding.WORSE if difference < 0 else Finding.BETTER


def _compare_pair(
    pair: Pair, shared: Sequence[str], comparability: Comparability, metrics: tuple[MetricDifference, ...]
) -> TaskComparison:
    *_, last = _shared_suites(pair)
    there, here = ({task_id: run.suites[last][task_id] for task_id in shared} for run in pair)
    flips = [Flip(task_id, summarize(there[task_id]), summarize(here[task_id])) for task_id in shared]
    return TaskComparison(
        baseline=pair.baseline,
        candidate=pair.candidate,
        problems=len(shared),
        samples=(sum(map(len, there.values())), sum(map(len, here.values()))),
        metrics=metrics,
        newly_failing=tuple(flip for flip in flips if flip.baseline.mostly_passes > flip.candidate.mostly_passes),
        newly_passing=tuple(flip for flip in flips if flip.baseline.mostly_passes < flip.candidate.mostly_passes),
        statuses=tuple(compare_statuses(there, here)),
        speed=tuple(compare_speed(pair)),
        same_device=pair.baseline.device == pair.candidate.device,
        comparability=comparability,
        gaps=tuple(find_gaps(pair)),
    )
