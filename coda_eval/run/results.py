"""What a finished run leaves beside its samples and verdicts: the metrics and a table of its problems."""

from __future__ import annotations

import csv
import io

from coda_eval.records import Metrics, ProblemRow, Status
from coda_eval.run.reading import Reading
from coda_eval.scoring import ScoringPlan, Tally
from coda_eval.store import RunWriter
from coda_eval.tasks import Task


def complete(writer: RunWriter, task: Task, reading: Reading, *, rejected: int = 0) -> Metrics:
    """Computes and writes the metrics of a run whose samples are all judged.

    Args:
        writer: of the run.
        task: what was run; problems beyond its limit are not missed.
        reading: how completions were read.
        rejected: lines of a samples file that were passed over.
    """
    suites = tuple(reading.suites(task.problems[0]))
    plan = ScoringPlan(
        task=task.name,
        protocol=reading.protocol.name,
        suites=suites,
        problems=len(task.problems),
        groups={
            name: {problem.task_id: problem.metadata[name] for problem in task.problems} for name in task.breakdown
        },
        extractors=reading.beside,
        extractor_suites=task.suites,
        rejected=rejected,
    )
    tally = Tally(writer.run.samples(), writer.run.verdicts())
    metrics = tally.metrics(plan)
    writer.write_problems(_table(tally.problem_rows(suites), suites))
    writer.write_metrics(metrics)
    return metrics


def _table(rows: list[ProblemRow], suites: tuple[str, ...]) -> bytes:
    """The problems as CSV: how many samples each has, and what became of them."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["task_id", "samples", "unscored", *(f"passed_{suite}" for suite in suites), *Status])
    for row in rows:
        passed = (row.passed[suite] for suite in suites)
        table.writerow([row.task_id, row.samples, row.unscored, *passed, *(row.statuses.get(s, 0) for s in Status)])
    return text.getvalue().encode("utf-8", "surrogatepass")
