"""Charts of finished runs. Reads run directories only; no JAX.

Colours are those of Okabe and Ito (2008), told apart by people with any colour vision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only, never a window
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from coda_eval.errors import StoreError
from coda_eval.records import Estimate, Metrics, Status
from coda_eval.store import RunDirectory

_COLOURS = {
    Status.PASSED: "#009E73",
    Status.FAILED: "#D55E00",
    Status.SYNTAX_ERROR: "#CC79A7",
    Status.TIMEOUT: "#E69F00",
    Status.OUT_OF_MEMORY: "#56B4E9",
    Status.OUTPUT_LIMIT: "#0072B2",
    Status.KILLED: "#000000",
    Status.NO_CODE: "#999999",
}
_DPI = 160


def plot_run(directory: Path, out: Path) -> None:
    """One run: what became of the samples, and how long the completions are.

    Raises:
        StoreError: the directory holds no finished run, or `out` cannot be written.
    """
    run, metrics = _finished(directory)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.6), width_ratios=(3, 2), layout="constrained", squeeze=True
    )
    suite, estimates = list(metrics.pass_at_k.items())[-1]
    figure.suptitle(_title(run, metrics, estimates["pass@1"]), fontsize=11)
    _draw_statuses(left, metrics)
    _draw_lengths(right, run, suite)
    _save(figure, out)


def plot_runs(directories: Sequence[Path], out: Path) -> None:
    """Several runs: pass@1 against seconds a completion, with 95 % intervals.

    Raises:
        StoreError: a directory holds no finished run, the runs are of different tasks, protocols or devices, or one has
            no latency.
    """
    runs = [_finished(directory) for directory in directories]
    for what in ("task", "protocol"):
        found = sorted({getattr(metrics, what) for _, metrics in runs})
        if len(found) > 1:
            raise StoreError(f"the runs are of {what}s {' and '.join(found)}; chart those of one {what} together")
    devices = sorted({str(run.manifest.get("device")) for run, _ in runs})
    if len(devices) > 1:
        raise StoreError(f"the runs are of devices {' and '.join(devices)}; latencies of different ones do not compare")
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    by_model = defaultdict(list)
    for run, metrics in runs:
        estimate = list(metrics.pass_at_k.values())[-1]["pass@1"]
        if metrics.latency.total_s is None or estimate.value is None or estimate.ci95 is None:
            raise StoreError(f"{run.path} has no latency or no pass@1; chart runs of `coda-eval run`")
        by_model[_model(run)].append((metrics.latency.total_s / metrics.samples, estimate.value, *estimate.ci95))
    for (model, points), colour, marker in zip(sorted(by_model.items()), _cycle(), "os^Dv*PX" * 9, strict=False):
        seconds, values, lows, highs = zip(*sorted(points), strict=True)
        below = [value - low for value, low in zip(values, lows, strict=True)]
        above = [high - value for value, high in zip(values, highs, strict=True)]
        axes.errorbar(
            seconds, values, yerr=[below, above], color=colour, marker=marker, linewidth=1, capsize=2, label=model
        )
    axes.set_xscale("log")
    axes.set_xlabel(f"seconds a completion ({devices[0]})")
    axes.set_ylabel("pass@1")
    axes.set_ylim(0, 1)
    axes.set_title(f"{runs[0][1].task}, protocol {runs[0][1].protocol}", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, out)


def _title(run: RunDirectory, metrics: Metrics, estimate: Estimate) -> str:
    title = f"{_model(run)} on {metrics.task}"
    if estimate.value is not None and estimate.ci95 is not None:
        title += f": pass@1 {estimate.value:.3f} ({estimate.ci95[0]:.3f} to {estimate.ci95[1]:.3f})"
    if metrics.latency.total_s is not None:
        per_completion = metrics.latency.total_s / metrics.samples
        title += f", {per_completion:.3f} s a completion on {run.manifest.get('device', 'an unknown device')}"
    return title


def _draw_statuses(axes: Axes, metrics: Metrics) -> None:
    statuses = [status for status in Status if metrics.statuses.get(status)]
    counts = [metrics.statuses[status] for status in statuses]
    bars = axes.barh(
        [status.replace("_", " ") for status in statuses], counts, color=[_COLOURS[status] for status in statuses]
    )
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.set_xlim(0, max(counts, default=1) * 1.12)
    axes.set_xlabel("samples")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_lengths(axes: Axes, run: RunDirectory, suite: str) -> None:
    """How long the completions are, those that passed apart from the others."""
    passed = {
        (verdict.task_id, verdict.sample)
        for verdict in run.verdicts()
        if verdict.suite == suite and verdict.status is Status.PASSED
    }
    lengths: dict[bool, list[int]] = {True: [], False: []}
    for sample in run.samples():
        if sample.tokens is not None:
            lengths[(sample.task_id, sample.sample) in passed].append(sample.tokens)
    if not any(lengths.values()):
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no lengths: completions from elsewhere", ha="center", va="center")
        return
    axes.hist(
        [lengths[True], lengths[False]],
        bins=16,
        stacked=True,
        color=[_COLOURS[Status.PASSED], _COLOURS[Status.FAILED]],
        label=["passed", "not passed"],
    )
    axes.set_xlabel("tokens of a completion")
    axes.set_ylabel("samples")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _finished(directory: Path) -> tuple[RunDirectory, Metrics]:
    run = RunDirectory(directory)
    metrics = run.metrics()
    if metrics is None:
        raise StoreError(f"{directory} is not finished; the command that started it goes on with it")
    return run, metrics


def _model(run: RunDirectory) -> str:
    config = run.manifest.get("config")
    model = config.get("model") if isinstance(config, dict) else run.manifest.get("completions")
    return str(model or "unknown")


def _cycle() -> list[str]:
    return ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"] * 9


def _save(figure: plt.Figure, out: Path) -> None:
    try:
        figure.savefig(out, dpi=_DPI)
    except OSError as error:
        raise StoreError(f"{out} cannot be written ({error.strerror or error}); choose another --out") from error
    finally:
        plt.close(figure)
