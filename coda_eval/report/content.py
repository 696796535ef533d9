"""What a report says, as plain data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coda_eval.points import Failure, Point, Spread, group_series, pareto_front
from coda_eval.points.frontier import Tradeoff
from coda_eval.points.point import UNKNOWN_HARDWARE
from coda_eval.points.series import axis_of, axis_value, is_swept, setting_text, varying
from coda_eval.records import Estimate, Status, Trace, Verdict
from coda_eval.report.published import Comparison, compare_with_published
from coda_eval.store.timings import read_timings
from coda_eval.store.traces import TRACES, read_traces


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A point in the table."""

    label: str
    """Short and unique: model, what is swept, and its value."""
    model: str
    settings: Mapping[str, Any]
    """Those that differ between points."""
    accuracy: Estimate
    seconds: Spread | None
    """Seconds a completion, over the repeats."""
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None
    """Percentiles of the seconds of a batch, of the first run."""
    total_s: float | None
    """All batches of that run."""
    compile_s: float | None
    """What it compiled; 0 where an earlier point of the sweep had done so."""
    tokens_per_s: float | None
    tokens_per_forward: float | None
    forwards: float | None
    on_front: bool | None
    """No point is faster and as good; None where times are missing or of different machines."""
    samples: int
    unscored: int
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleView:
    """A completion, as the viewer shows it."""

    problem: int
    """Index into `Report.problems`."""
    seed: object
    sample: int
    status: Status | None
    """In the last suite that has a verdict, or the first that is no pass; None while unscored."""
    completion: str
    solution: str
    stop_reason: str
    tokens: int | None
    forwards: int | None
    verdicts: Sequence[Verdict]
    trace: Trace | None
    """In which step each token was committed, where the run recorded it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the page and the Markdown show."""

    task: str
    protocol: str
    hardware: Sequence[str]
    problems: Sequence[str]
    """Task ids, in the order of the samples file."""
    points: Sequence[Point]
    """In the order of the rows: by line of the chart, then by what is swept."""
    rows: Sequence[Row]
    samples: Sequence[Sequence[SampleView]]
    """For each row, of every run that is no repeat, in the order of problems."""
    published: Sequence[Comparison]
    failures: Sequence[Failure]
    """Points of a sweep that could not be run."""

    @property
    def subject(self) -> str:
        """What was measured, where."""
        counts = [f"{len(self.problems)} problem{'s' * (len(self.problems) != 1)}"]
        counts.append(f"{len(self.rows)} point{'s' * (len(self.rows) != 1)}")
        hardware = [each for each in self.hardware if each != UNKNOWN_HARDWARE]
        where = f", on {'; '.join(hardware)}" if hardware else ""
        return f"Protocol {self.protocol}, {', '.join(counts)}{where}."

    @property
    def summary(self) -> list[str]:
        """What to take away, in sentences."""
        lines = []
        scored = [row for row in self.rows if row.accuracy.value is not None and row.accuracy.ci95 is not None]
        if scored:
            best = max(
                scored, key=lambda row: (row.accuracy.value or 0.0, -(row.seconds.median if row.seconds else 0.0))
            )
            lines.append(f"Best: {_sentence(best)}.")
            value = best.accuracy.value or 0.0
            rivals = [row for row in scored if row.on_front and row.accuracy.ci95 and row.accuracy.ci95[1] >= value]
            fastest = min(rivals, key=lambda row: row.seconds.median if row.seconds else 0.0, default=best)
            if fastest is not best and fastest.seconds and best.seconds:
                times = best.seconds.median / fastest.seconds.median
                lines.append(
                    f"Fastest whose interval reaches that score: {_sentence(fastest)}, {times:.1f} times as fast."
                )
        if len(self.rows) > 1:
            lines.append(
                f"{sum(self.flips)} of {len(self.problems)} problems are solved at some points and not at others."
            )
        lines += [f"Not measured: {failure.point}, {failure.error}." for failure in self.failures]
        if unscored := sum(row.unscored for row in self.rows):
            lines.append(f"{unscored} samples have no verdict and count neither as passed nor as failed.")
        return lines

    @property
    def flips(self) -> list[bool]:
        """Of each problem, whether some points solve it and others do not."""
        seen: list[set[bool]] = [set() for _ in self.problems]
        for views in self.samples:
            for view in views:
                if view.status is not None:
                    seen[view.problem].add(view.status is Status.PASSED)
        return [len(outcomes) > 1 for outcomes in seen]


def three_figures(value: float) -> str:
    """A measured quantity as people read it, never as a power of ten."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _sentence(row: Row) -> str:
    low, high = row.accuracy.ci95 or (0.0, 1.0)
    time = f" at {three_figures(row.seconds.median)} s a completion" if row.seconds else ""
    return f"{row.label}, pass@1 {row.accuracy.value:.3f} ({low:.3f} to {high:.3f}){time}"


def build_report(points: Sequence[Point], failures: Sequence[Failure] = ()) -> Report:
    """Reads the samples and verdicts of all points; `failures` are told beside them.

    Raises:
        StoreError: a run is damaged.
    """
    ordered = [point for series in group_series(points) for point in series.points]
    numbers: dict[str, int] = {}
    samples = [_views(point, numbers) for point in ordered]
    first = ordered[0].metrics
    return Report(
        task=first.task,
        protocol=first.protocol,
        hardware=list(dict.fromkeys(point.hardware for point in ordered)),
        problems=list(numbers),
        points=ordered,
        rows=_rows(ordered),
        samples=samples,
        published=compare_with_published(ordered),
        failures=failures,
    )


def _rows(points: Sequence[Point]) -> list[Row]:
    front = _front(points)
    shown = varying(points)
    rows = []
    for point, on_front, label in zip(points, front, _labels(points), strict=True):
        latency = point.metrics.latency
        rows.append(
            Row(
                label=label,
                model=point.model,
                settings={key: point.settings.get(key) for key in shown},
                accuracy=point.accuracy,
                seconds=point.seconds,
                p50_s=latency.p50_s,
                p90_s=latency.p90_s,
                p99_s=latency.p99_s,
                total_s=latency.total_s,
                compile_s=_compile_s(point),
                tokens_per_s=point.tokens_per_s.median if point.tokens_per_s else None,
                tokens_per_forward=point.tokens_per_forward,
                forwards=point.forwards,
                on_front=on_front,
                samples=sum(metrics.samples for _, metrics in point.seeds.values()),
                unscored=sum(metrics.unscored for _, metrics in point.seeds.values()),
                repeats=len(point.runs),
            )
        )
    return rows


def _compile_s(point: Point) -> float | None:
    timings = read_timings(point.runs[0].run.path)
    return None if timings is None else timings.compile_s


def _front(points: Sequence[Point]) -> list[bool] | list[None]:
    comparable = all(point.seconds and point.accuracy.value is not None for point in points)
    if not comparable or len({point.hardware for point in points}) > 1:
        return [None] * len(points)
    return pareto_front(
        [Tradeoff(point.seconds.median if point.seconds else 0.0, point.accuracy.value or 0.0) for point in points]
    )


def _labels(points: Sequence[Point]) -> list[str]:
    """Model and swept value; where that is not unique, what else differs, or the directory's name."""
    labels = [
        f"{point.model} {axis_of(point).replace('_', ' ')} {axis_value(point):g}" if is_swept(point) else point.model
        for point in points
    ]
    alike = defaultdict(list)
    for label, point in zip(labels, points, strict=True):
        alike[label].append(point)
    longer = [
        ", ".join(
            [
                label,
                *(f"{key.replace('_', ' ')} {setting_text(point.settings.get(key))}" for key in varying(alike[label])),
            ]
        )
        for label, point in zip(labels, points, strict=True)
    ]
    return [
        label if longer.count(label) == 1 else f"{label} ({point.name})"
        for label, point in zip(longer, points, strict=True)
    ]


def _views(point: Point, numbers: dict[str, int]) -> list[SampleView]:
    """`numbers` gives each task id its index, and learns those that are new."""
    views = []
    for seed, (run, metrics) in point.seeds.items():
        verdicts: dict[tuple[str, int], dict[str, Verdict]] = {}
        for verdict in run.verdicts():
            verdicts.setdefault((verdict.task_id, verdict.sample), {})[verdict.suite] = verdict
        recorded = read_traces(run.path) if (run.path / TRACES).exists() else []
        traces = {(trace.task_id, trace.sample): trace for trace in recorded}
        for sample in run.samples():
            key = (sample.task_id, sample.sample)
            found = [verdicts.get(key, {}).get(suite) for suite in metrics.pass_at_k]
            views.append(
                SampleView(
                    problem=numbers.setdefault(sample.task_id, len(numbers)),
                    seed=seed,
                    sample=sample.sample,
                    status=_status(found),
                    completion=sample.completion,
                    solution=sample.solution,
                    stop_reason=sample.stop_reason,
                    tokens=sample.tokens,
                    forwards=None if sample.nfe_full is None else sample.nfe_full + (sample.nfe_window or 0),
                    verdicts=[verdict for verdict in found if verdict is not None],
                    trace=traces.get(key),
                )
            )
    return sorted(views, key=lambda view: (view.problem, str(view.seed), view.sample))


def _status(verdicts: Sequence[Verdict | None]) -> Status | None:
    """As in scoring: the first suite that is not passed decides."""
    for verdict in verdicts:
        if verdict is None or verdict.status is not Status.PASSED:
            return None if verdict is None else verdict.status
    return Status.PASSED if verdicts else None
