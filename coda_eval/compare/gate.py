"""Does a candidate pass: the policy, and the reasons where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from coda_eval.compare.comparison import Finding, MetricDifference, TaskComparison, compare_runs
from coda_eval.compare.sources import pair_by_task, read_evidence
from coda_eval.errors import ConfigError


class Failure(NamedTuple):
    """A reason against a candidate."""

    kind: Literal["worse", "slower", "incomplete"]
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a candidate must hold to."""

    max_drop: float = 0.0
    """A drop that is shown fails if it is larger; in points, 0 to 100."""
    alpha: float = 0.05
    """The probability of a false alarm, over all metrics together."""
    max_slowdown: float | None = None
    """Seconds a completion, candidate by baseline; None leaves speed alone."""
    require_complete: bool = False
    """Whether missing or contradictory evidence fails."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop <= 100:
            raise ConfigError(f"--max-drop is {self.max_drop}; it takes points, from 0 to 100")
        if not 0 < self.alpha < 1:
            raise ConfigError(f"--alpha is {self.alpha}; it must be above 0 and below 1 (0.05 is usual)")
        if self.max_slowdown is not None and not self.max_slowdown > 0:
            raise ConfigError(f"--max-slowdown is {self.max_slowdown}; it takes a factor above 0 (1.2: a fifth slower)")

    def drops_too_far(self, metric: MetricDifference) -> bool:
        """Whether a metric is shown to be worse, and by more than is accepted."""
        return metric.finding is Finding.WORSE and -100 * metric.difference > self.max_drop

    def failures(self, comparisons: Sequence[TaskComparison], gaps: Sequence[str]) -> Iterator[Failure]:
        """Why the candidate does not pass, a line each; none where it passes.

        Raises:
            ConfigError: `max_slowdown` is set, and a comparison cannot say how much slower the candidate is.
        """
        for comparison in comparisons:
            yield from self._fails(comparison)
        if self.require_complete:
            yield from (Failure("incomplete", gap) for gap in gaps)

    def _fails(self, comparison: TaskComparison) -> Iterator[Failure]:
        for metric in comparison.metrics:
            if self.drops_too_far(metric):
                beyond = f", {self.max_drop:g} accepted" if self.max_drop else ""
                yield Failure(
                    "worse",
                    f"{metric.task} {metric.name} dropped by {-100 * metric.difference:.1f} points "
                    f"(p {metric.p_adjusted:.2g}{beyond})",
                )
        if self.max_slowdown is not None:
            slowdown = self._slowdown(comparison)
            if slowdown > self.max_slowdown:
                yield Failure(
                    "slower",
                    f"{comparison.baseline.task} takes {slowdown:.2f} times as long a completion "
                    f"({self.max_slowdown:g} accepted)",
                )

    def _slowdown(self, comparison: TaskComparison) -> float:
        there, here = comparison.baseline, comparison.candidate
        if comparison.slowdown is None:
            raise ConfigError(
                f"--max-slowdown: {(here if here.seconds_a_completion is None else there).source} records no latency; "
                "compare finished runs of `coda-eval run`, or leave it out"
            )
        if not comparison.same_device:
            raise ConfigError(
                f"--max-slowdown: {there.source} ran on {there.device}, {here.source} on {here.device}; "
                "latencies of different devices do not compare: leave it out, or run both on one"
            )
        return comparison.slowdown


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """A candidate beside a baseline, and whether it passes."""

    baseline: Path
    candidate: Path
    gate: Gate
    comparisons: tuple[TaskComparison, ...]
    gaps: tuple[str, ...]
    """What is missing or contradicts itself, a line each."""
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Whether there is no reason against the candidate."""
        return not self.failures


def compare(
    baseline: Path,
    candidate: Path,
    *,
    gate: Gate,
    metrics: Sequence[str] = (),
    allow: Sequence[str] = (),
) -> GateReport:
    """Compares what is at two paths: runs, directories of runs (one a task), or result files of other harnesses.

    Args:
        baseline: what the candidate is held against.
        candidate: what is judged.
        gate: the policy.
        metrics: `pass@1` or `plus/pass@1`; all that both have where it is empty.
        allow: dotted names of settings in which runs may differ.

    Raises:
        CodaEvalError: something cannot be read, or does not compare.
    """
    pairing = pair_by_task(read_evidence(baseline), read_evidence(candidate))
    comparisons = compare_runs(
        pairing.pairs, alpha=gate.alpha, max_drop=gate.max_drop / 100, metrics=metrics, allow=allow
    )
    gaps = (*pairing.gaps, *(gap for comparison in comparisons for gap in comparison.gaps))
    return GateReport(
        baseline=baseline,
        candidate=candidate,
        gate=gate,
        comparisons=comparisons,
        gaps=gaps,
        failures=tuple(gate.failures(comparisons, gaps)),
    )
