"""How figures and findings are said: the same words in the terminal, in Markdown and in JUnit."""

from __future__ import annotations

from collections.abc import Iterator

from coda_eval.compare.changes import SpeedChange, Tally
from coda_eval.compare.comparability import describe
from coda_eval.compare.comparison import MetricDifference, TaskComparison
from coda_eval.compare.evidence import Evidence, count
from coda_eval.compare.gate import Gate, GateReport
from coda_eval.compare.significance import POWER

DETAIL_CHARACTERS = 90


def metric_headings(gate: Gate) -> tuple[str, ...]:
    """Of the columns that `say_metric` fills."""
    return ("metric", "baseline", "candidate", "points", f"{say_confidence(gate)} interval", "p", "shown", "detectable")


def say_metric(metric: MetricDifference) -> tuple[str, ...]:
    """The cells of a row; shares are said in percent, differences in points."""
    return (
        metric.name,
        f"{100 * metric.baseline:.1f}",
        f"{100 * metric.candidate:.1f}",
        say_points(metric.difference),
        say_interval(metric.interval),
        say_p_value(metric.p_adjusted),
        str(metric.finding),
        "none" if metric.detectable_drop is None else f"{100 * metric.detectable_drop:.1f}",
    )


def say_points(share: float) -> str:
    """A difference of shares in points, with its sign: `−2.4`."""
    rounded = round(100 * share, 1)
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def say_interval(interval: tuple[float, float]) -> str:
    """`−7.1 to +2.4`."""
    return " to ".join(map(say_points, interval))


def say_confidence(gate: Gate) -> str:
    """What the gate's alpha leaves: `95 %`."""
    return f"{100 * (1 - gate.alpha):g} %"


def say_p_value(p_value: float) -> str:
    """Two digits, and no more than can be told."""
    return f"{p_value:.2f}" if p_value >= 0.095 else f"{p_value:.3f}" if p_value >= 0.001 else "<0.001"


def say_tally(tally: Tally) -> str:
    """`failed: wrong answer`, or `3 of 20 passed, mostly timeout`."""
    status = tally.status.replace("_", " ")
    detail = " ".join(tally.detail.removeprefix("SyntaxError: ").split())
    if len(detail) > DETAIL_CHARACTERS:
        detail = f"{detail[:DETAIL_CHARACTERS]}..."
    if tally.scored == 1:
        return f"{status}: {detail}" if detail else status
    passed = f"{tally.passed} of {tally.scored} passed"
    return passed if tally.passed == tally.scored else f"{passed}, else mostly {status}"


def say_speed(change: SpeedChange) -> str:
    """`full forwards 63 → 32 (×0.51)`."""
    factor = f" (×{change.candidate / change.baseline:.2f})" if change.baseline else ""
    return f"{change.what} {_figure(change.baseline)} → {_figure(change.candidate)}{factor}"


def say_run(run: Evidence) -> str:
    """`coda-tiny (runs/baseline)`."""
    return f"{run.model} ({run.source})"


def say_size(comparison: TaskComparison) -> str:
    """`85 problems, 85 samples against 85`."""
    there, here = comparison.samples
    return f"{count(comparison.problems, 'problem')}, {there} samples against {here}"


def say_verdict(report: GateReport) -> str:
    """The outcome in a line."""
    return "gate: passed" if report.passed else "gate: FAILED"


def say_limits(report: GateReport) -> Iterator[str]:
    """What the comparison cannot show."""
    metrics = [metric for comparison in report.comparisons for metric in comparison.metrics]
    yield (
        f"“not shown” is not “no difference”: a true drop as large as “detectable” is shown {POWER:.0%} of the time, "
        "a smaller one less often"
    )
    if report.gate.max_drop:
        powers = ", ".join(
            f"{metric.task} {metric.name} {metric.power_at_max_drop:.0%}"
            for metric in metrics
            if metric.power_at_max_drop is not None
        )
        yield f"power to show a true drop of {report.gate.max_drop:g} points: {powers}"
    if len(metrics) > 1:
        yield f"p is adjusted for {len(metrics)} metrics at once (Holm); the intervals are each metric's own"


def say_differences(comparison: TaskComparison) -> Iterator[str]:
    """Settings in which the runs differ, and those that could not be checked."""
    for difference in comparison.comparability.allowed:
        yield f"ALLOWED to differ: {describe(difference)}"
    for difference in comparison.comparability.noted:
        yield f"made differently: {describe(difference)}"
    if comparison.comparability.unverified:
        yield f"not recorded on both sides, so not checked: {', '.join(comparison.comparability.unverified)}"
    if comparison.speed and not comparison.same_device:
        there, here = (run.device or "one that is not recorded" for run in (comparison.baseline, comparison.candidate))
        yield f"speed is of different devices: {there} and {here}"


def say_grown(comparison: TaskComparison) -> str:
    """Statuses other than passes that more samples ended in; empty where there are none."""
    return ", ".join(
        f"{change.status.replace('_', ' ')} {change.baseline} → {change.candidate}"
        for change in comparison.statuses
        if change.grew
    )


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
