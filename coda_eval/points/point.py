"""One setting as it was measured."""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from coda_eval.errors import StoreError
from coda_eval.records import Estimate, Metrics, Sample, Verdict
from coda_eval.scoring import ScoringPlan, compute_metrics
from coda_eval.store import RunDirectory
from coda_eval.store.directory import METRICS
from coda_eval.store.journal import read_journal
from coda_eval.store.sweep_layout import FAILURES, POINTS, SWEEP

UNKNOWN_HARDWARE = "unknown hardware"

_SAME_EVERYWHERE = (
    ("task", "tasks"),
    ("protocol", "protocols"),
    ("task_version", "versions of the task"),
    ("dataset_sha256", "versions of the data"),
)


class Spread(NamedTuple):
    """A figure that was measured several times."""

    median: float
    low: float
    high: float
    """The extremes of the repeats; equal where there was one."""


class Failure(NamedTuple):
    """A point of a sweep that could not be run."""

    point: str
    error: str


class MeasuredRun(NamedTuple):
    """A finished run."""

    run: RunDirectory
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setting as it was measured: a finished run, or several that differ in seed or repeat only."""

    model: str
    settings: Mapping[str, Any]
    """Sampler settings as resolved, `dtype` and `batch_size`; nothing that differs between repeats."""
    hardware: str
    accuracy: Estimate
    """pass@1 in the last suite. Runs of several seeds are pooled; repeats of one seed say nothing new here."""
    runs: tuple[MeasuredRun, ...]

    @property
    def name(self) -> str:
        """The directory of the first run: how a table and a chart refer to the point."""
        return self.runs[0].run.path.name

    @property
    def metrics(self) -> Metrics:
        """Those of the first run."""
        return self.runs[0].metrics

    @property
    def seeds(self) -> dict[object, MeasuredRun]:
        """The runs that say something new, by their seed: a repeat has the completions of the run that it repeats."""
        by_seed: dict[object, MeasuredRun] = {}
        for measured in self.runs:
            by_seed.setdefault(seed_of(measured.run), measured)
        return by_seed

    @property
    def autoregressive(self) -> bool:
        """Decoded from left to right, a token at a time."""
        return self.settings.get("algorithm") == "autoregressive"

    @property
    def seconds(self) -> Spread | None:
        """Seconds of generation a completion, over the repeats; None for completions from elsewhere."""
        return _spread(
            metrics.latency.total_s / metrics.samples
            for _, metrics in self.runs
            if metrics.latency.total_s is not None and metrics.samples
        )

    @property
    def tokens_per_s(self) -> Spread | None:
        """Useful tokens a second, over the repeats."""
        return _spread(
            metrics.latency.tokens_per_s for _, metrics in self.runs if metrics.latency.tokens_per_s is not None
        )

    @property
    def forwards(self) -> float | None:
        """Forwards a completion, of any kind."""
        latency = self.metrics.latency
        return None if latency.nfe_full is None else latency.nfe_full + (latency.nfe_window or 0.0)

    @property
    def tokens_per_forward(self) -> float | None:
        """Useful tokens of all completions over their forwards."""
        latency, forwards = self.metrics.latency, self.forwards
        if latency.tokens_per_s is None or latency.total_s is None or not forwards:
            return None
        return latency.tokens_per_s * latency.total_s / (forwards * self.metrics.samples)


def read_points(directories: Sequence[Path]) -> list[Point]:
    """The finished runs of these directories: each a run's, or a sweep's with all its points.

    Raises:
        StoreError: a directory is neither, a run is not finished, nothing is there, or the runs are of different
            tasks, protocols or data, which no table or chart puts side by side.
    """
    runs = [_measured(path) for directory in directories for path in _run_directories(directory)]
    if not runs:
        raise StoreError(f"{directories[0]} has no finished point yet; run `coda-eval sweep` again to go on with it")
    _require_same_question(runs)
    groups = defaultdict(list)
    for measured in runs:
        groups[json.dumps(_setting(measured.run), sort_keys=True)].append(measured)
    return [_point(group) for group in groups.values()]


def read_failures(directories: Sequence[Path]) -> list[Failure]:
    """The points of these sweeps that could not be run so far, each with its last error.

    Raises:
        StoreError: a line is damaged.
    """
    failures = {}
    for directory in directories:
        for _, fields in read_journal(directory / FAILURES):
            name = str(fields.get("point"))
            if not (directory / POINTS / name / METRICS).exists():
                failures[directory, name] = Failure(name, str(fields.get("error")))
    return list(failures.values())


def is_sweep(directory: Path) -> bool:
    """Whether this directory is a sweep's rather than a run's."""
    return (directory / SWEEP).is_file()


def model_of(run: RunDirectory) -> str:
    """The model as the user named it, or the file of completions from elsewhere."""
    config = run.manifest.get("config")
    model = config.get("model") if isinstance(config, dict) else run.manifest.get("completions")
    model = str(model or "unknown")
    return Path(model).name if "/" in model and Path(model).is_absolute() else model


def hardware_of(run: RunDirectory) -> str:
    """What generated the completions, precisely enough to tell two machines apart."""
    manifest = run.manifest
    device = str(manifest.get("device") or UNKNOWN_HARDWARE)
    if device == "cpu" and manifest.get("processor"):
        cores = manifest.get("cpus")
        return f"{manifest['processor']}{f', {cores} CPUs' if cores else ''}"
    count = manifest.get("devices")
    return f"{count} x {device}" if isinstance(count, int) and count > 1 else device


def seed_of(run: RunDirectory) -> object:
    """The seed of the run; None for completions from elsewhere."""
    return run.manifest["identity"].get("sampler", {}).get("seed")


def _run_directories(directory: Path) -> Iterator[Path]:
    if not is_sweep(directory):
        yield directory
        return
    for path in sorted((directory / POINTS).iterdir() if (directory / POINTS).is_dir() else ()):
        if (path / METRICS).exists():
            yield path


def _measured(directory: Path) -> MeasuredRun:
    run = RunDirectory(directory)
    metrics = run.metrics()
    if metrics is None:
        raise StoreError(f"{directory} is not finished; the command that started it goes on with it")
    return MeasuredRun(run, metrics)


def _require_same_question(runs: Sequence[MeasuredRun]) -> None:
    first = runs[0].run
    for run, _ in runs:
        for field, plural in _SAME_EVERYWHERE:
            here, there = (str(each.manifest["identity"].get(field)) for each in (first, run))
            if here != there:
                raise StoreError(
                    f"the runs are of different {plural}: {first.path.name} has {here}, {run.path.name} has {there}; "
                    "put those of one together"
                )
    counts = {(metrics.problems) for _, metrics in runs}
    if len(counts) > 1:
        raise StoreError(
            f"the runs are of different numbers of problems ({' and '.join(map(str, sorted(counts)))}); "
            "put those with the same --limit together"
        )


def _setting(run: RunDirectory) -> dict[str, Any]:
    """What two repeats have in common, and nothing else."""
    identity = run.manifest["identity"]
    config = run.manifest.get("config")
    config = config if isinstance(config, dict) else {}
    sampler = {key: value for key, value in identity.get("sampler", {}).items() if key != "seed"}
    batch_size = config.get("sampler", {}).get("batch_size")
    return {
        "model": model_of(run),
        "model_sha256": identity.get("model_sha256") or identity.get("completions_sha256"),
        "hardware": hardware_of(run),
        "settings": {**sampler, "dtype": identity.get("dtype"), "batch_size": batch_size},
    }


def _point(group: Sequence[MeasuredRun]) -> Point:
    setting = _setting(group[0].run)
    seeds = {seed_of(measured.run): measured for measured in reversed(group)}.values()
    whole = group[0].metrics if len(seeds) == 1 else _pooled([run for run, _ in seeds], like=group[0].metrics)
    return Point(
        model=setting["model"],
        settings=setting["settings"],
        hardware=setting["hardware"],
        accuracy=next(reversed(whole.pass_at_k.values()))["pass@1"],
        runs=tuple(group),
    )


def _pooled(runs: Sequence[RunDirectory], *, like: Metrics) -> Metrics:
    """The metrics of several runs of one setting, as if their samples were of one run."""
    stride = 1 + max((sample.sample for run in runs for sample in run.samples()), default=0)
    samples: Iterable[Sample] = itertools.chain.from_iterable(
        (dataclasses.replace(sample, sample=sample.sample + index * stride) for sample in run.samples())
        for index, run in enumerate(runs)
    )
    verdicts: Iterable[Verdict] = itertools.chain.from_iterable(
        (dataclasses.replace(verdict, sample=verdict.sample + index * stride) for verdict in run.verdicts())
        for index, run in enumerate(runs)
    )
    plan = ScoringPlan(task=like.task, protocol=like.protocol, suites=list(like.pass_at_k))
    return compute_metrics(samples, verdicts, plan)


def _spread(values: Iterable[float]) -> Spread | None:
    values = list(values)
    return Spread(statistics.median(values), min(values), max(values)) if values else None
