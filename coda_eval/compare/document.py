"""A comparison or a history as one JSON object. Shares, not points; `p_adjusted` decides."""

from __future__ import annotations

import dataclasses

from coda_eval.compare.changes import Flip
from coda_eval.compare.comparison import MetricDifference, TaskComparison
from coda_eval.compare.evidence import Evidence
from coda_eval.compare.gate import GateReport
from coda_eval.compare.history import History


def to_document(report: GateReport) -> dict[str, object]:
    """Plain data."""
    return {
        "passed": report.passed,
        "gate": dataclasses.asdict(report.gate),
        "failures": [failure._asdict() for failure in report.failures],
        "gaps": list(report.gaps),
        "tasks": [_task(comparison) for comparison in report.comparisons],
    }


def _task(comparison: TaskComparison) -> dict[str, object]:
    comparability = comparison.comparability
    return {
        "task": comparison.baseline.task,
        "protocol": comparison.baseline.protocol,
        "baseline": _run(comparison.baseline),
        "candidate": _run(comparison.candidate),
        "problems": comparison.problems,
        "samples": list(comparison.samples),
        "metrics": [_metric(metric) for metric in comparison.metrics],
        "newly_failing": [_flip(flip) for flip in comparison.newly_failing],
        "newly_passing": [_flip(flip) for flip in comparison.newly_passing],
        "statuses": [change._asdict() for change in comparison.statuses],
        "speed": [change._asdict() for change in comparison.speed],
        "slowdown": comparison.slowdown,
        "same_device": comparison.same_device,
        "differing": {
            "allowed": [difference._asdict() for difference in comparability.allowed],
            "generation": [difference._asdict() for difference in comparability.noted],
            "unverified": list(comparability.unverified),
        },
    }


def _run(run: Evidence) -> dict[str, object]:
    return {"source": str(run.source), "model": run.model, "device": run.device, "started": run.started}


def _metric(metric: MetricDifference) -> dict[str, object]:
    return {"name": metric.name, **dataclasses.asdict(metric)}


def _flip(flip: Flip) -> dict[str, object]:
    return {"task_id": flip.task_id, "baseline": flip.baseline._asdict(), "candidate": flip.candidate._asdict()}


def history_document(history: History) -> dict[str, object]:
    """Plain data; `first_worse` counts from 0."""
    return {
        "task": history.task,
        "protocol": history.protocol,
        "metric": history.metric,
        "alpha": history.alpha,
        "first_worse": None if history.first_worse is None else history.checkpoints.index(history.first_worse),
        "checkpoints": [
            {
                "position": point.position,
                **_run(point.run),
                **dataclasses.asdict(point.estimate),
                "against": None if point.against is None else point.against._asdict(),
            }
            for point in history.checkpoints
        ],
    }
