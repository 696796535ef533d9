"""Runs what is missing of a sweep."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coda_eval.endpoint import is_endpoint, parse_reference
from coda_eval.errors import CodaEvalError, SandboxError, StoreError, TaskError
from coda_eval.models.references import resolve_model
from coda_eval.records import Metrics, Timings
from coda_eval.run.evaluate import evaluate
from coda_eval.run.workbench import ModelShelf, Workbench, open_workbench
from coda_eval.store.timings import read_timings
from coda_eval.sweep.estimate import Timed, seconds_left
from coda_eval.sweep.plan import PlannedPoint, SweepConfig, plan_points, question_of
from coda_eval.sweep.store import SweepDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOutcome:
    """What became of a sweep."""

    points: int
    """Asked for."""
    failures: tuple[str, ...]
    """The names of those that could not be run, with why; `failures.jsonl` has more."""


def run_sweep(
    config: SweepConfig,
    out: Path,
    *,
    data_dir: Path | None = None,
    models: ModelShelf | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> SweepOutcome:
    """Runs the points that are not done yet. A point that fails is recorded, and the others go on.

    Args:
        config: what to measure.
        out: the sweep's directory; one that is there is gone on with, or extended.
        data_dir: where official data files lie.
        models: those that are loaded already.
        say: is told about each point, and how long the rest will take.

    Raises:
        CodaEvalError: nothing can be run: a model that does not exist, no sandbox, no data, no disk.
    """
    points = plan_points(config)
    for reference in dict.fromkeys((*config.models, *config.baselines)):
        require_model(reference)
    directory = SweepDirectory(out, question_of(config), points)
    missing = [point for point in points if not directory.is_done(point)]
    say(f"{len(points)} points, {len(points) - len(missing)} of them done")
    failures: list[str] = []
    if missing:
        models = models or ModelShelf(keep_all=config.order == "random")
        with open_workbench(config.execution, models=models) as bench:
            failures = _run(missing, directory, bench, data_dir, say)
    return SweepOutcome(points=len(points), failures=tuple(failures))


def require_model(reference: str) -> None:
    """Sees that a model is there, before anything is run.

    Raises:
        CodaEvalError: it is not, or its reference is malformed.
    """
    if is_endpoint(reference):
        parse_reference(reference)
    else:
        resolve_model(reference)


def _run(
    missing: Sequence[PlannedPoint],
    directory: SweepDirectory,
    bench: Workbench,
    data_dir: Path | None,
    say: Callable[[str], None],
) -> list[str]:
    """Returns the points that failed."""
    failures = []
    done: list[Timed] = []
    for index, point in enumerate(missing):
        run = directory.run_directory(point)
        started = time.perf_counter()
        try:
            metrics = evaluate(point.config, run, data_dir=data_dir, quiet=True, workbench=bench, measure=True)
        except (SandboxError, StoreError, TaskError):
            raise  # the next point would fail in the same way
        except Exception as error:  # out of memory has many names, and a fault of ours must not cost the other points
            trace = "" if isinstance(error, CodaEvalError) else traceback.format_exc()
            directory.record_failure(point, error, trace=trace)
            failures.append(f"{run.name}: {' '.join(str(error).split()) or type(error).__name__}")
            outcome = f"failed: {' '.join(str(error).split())[:200] or type(error).__name__}"
        else:
            timings = read_timings(run) or Timings(completions=0)
            setup_s = timings.load_s + timings.compile_s
            other_s = max(0.0, time.perf_counter() - started - timings.decode_s - setup_s)
            done.append(Timed(point.config, timings.decode_s, setup_s, other_s))
            outcome = _described(metrics)
        left = seconds_left(done, [each.config for each in missing[index + 1 :]])
        remaining = "" if left is None or index + 1 == len(missing) else f"; about {duration(left)} left"
        say(f"[{index + 1}/{len(missing)}] {run.name}: {outcome}{remaining}")
    return failures


def _described(metrics: Metrics) -> str:
    accuracy = next(reversed(metrics.pass_at_k.values()))["pass@1"]
    score = "no score" if accuracy.value is None else f"pass@1 {accuracy.value:.3f}"
    total_s = metrics.latency.total_s
    return score if total_s is None else f"{score}, {total_s / metrics.samples:.3g} s a completion"


def duration(seconds: float) -> str:
    """A time as one says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
