"""Published, measured, difference, interval, protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coda_eval.errors import StoreError
from coda_eval.paper.experiments import PROTOCOL, Experiment
from coda_eval.points.published import CEILINGS, HEADLINE_PERCENT, PROBLEMS, figure_3, headline
from coda_eval.records import Estimate, Metrics
from coda_eval.report.published import difference
from coda_eval.store import RunDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One published figure beside the measured one."""

    experiment: Experiment
    command: str
    measured: Estimate | None
    """None where it was not run."""
    measured_s: float | None
    """Seconds a problem."""
    difference: Estimate | None
    """In percentage points."""
    evalplus: Estimate | None
    """The same samples under evalplus' extraction and the task's own tests."""
    why_not: str
    """Why it was not run; empty where it was."""


def read_line(experiment: Experiment, out: Path, *, why_not: str) -> Line:
    """What is known of an experiment.

    Raises:
        StoreError: its run directory is damaged.
    """
    directory = out / "runs" / experiment.name
    metrics = RunDirectory(directory).metrics() if (directory / "metrics.json").exists() else None
    measured = None if metrics is None else next(reversed(metrics.pass_at_k.values()))["pass@1"]
    return Line(
        experiment=experiment,
        command=experiment.command(out),
        measured=measured,
        measured_s=None if metrics is None else _seconds(metrics),
        difference=None
        if measured is None
        else difference(measured, experiment.published, PROBLEMS[experiment.config.task]),
        evalplus=metrics.extraction["evalplus"].pass_at_1 if metrics and "evalplus" in metrics.extraction else None,
        why_not="" if metrics else why_not,
    )


def headline_text() -> str:
    """The headline recomputed both ways."""
    found = headline(figure_3())
    return (
        f'The headline "{HEADLINE_PERCENT} % lower latency than Dream-7B-Instruct", recomputed from Figure 3, as the '
        f"mean over its step counts: time(Dream)/time(CoDA) - 1 is {found.by_ours:.1f} %, which is the definition that "
        f"gives the headline; 1 - time(CoDA)/time(Dream), what CoDA saves, is {found.by_theirs:.1f} %."
    )


def ceilings_text() -> str:
    """What canonical solutions reach."""
    reached = ", ".join(f"{task} {passed}/{problems}" for task, (passed, problems) in CEILINGS.items())
    return f"Under {PROTOCOL} the canonical solutions reach: {reached}."


def markdown(lines: Sequence[Line]) -> Iterator[str]:
    """The whole comparison as text."""
    yield "# The CoDA report's figures, published and measured"
    yield ""
    yield headline_text()
    yield ceilings_text()
    yield (
        "Differences are in percentage points, with 95 % intervals for independent samples. "
        f"Measured under the protocol {PROTOCOL}."
    )
    for source in ("Table 4", "Figure 3"):
        timed = source == "Figure 3"
        yield ""
        yield f"## {source}"
        yield ""
        headings = ["model", "task", *(["steps"] if timed else []), "published", "measured", "difference", "95 %"]
        headings += ["published s a problem", "measured s"] if timed else ["under evalplus"]
        yield "| " + " | ".join([*headings, "note"]) + " |"
        yield "|" + "---|" * (len(headings) + 1)
        for line in lines:
            if line.experiment.source == source:
                yield "| " + " | ".join(_cells(line, timed=timed)) + " |"
    yield ""
    yield "## Commands"
    yield ""
    yield "```"
    yield from dict.fromkeys(line.command for line in lines)
    yield "```"


def write(lines: Sequence[Line], out: Path) -> Path:
    """Writes the comparison.

    Raises:
        StoreError: it cannot be written.
    """
    file = out / "paper.md"
    try:
        out.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(markdown(lines)) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{file} cannot be written ({error.strerror or error}); choose another --out") from error
    return file


def _cells(line: Line, *, timed: bool) -> list[str]:
    experiment = line.experiment
    cells = [experiment.model, experiment.config.task, *([str(experiment.config.sampler.steps)] if timed else [])]
    cells.append(f"{experiment.published:.1f}")
    if line.measured is None or line.measured.value is None or line.difference is None or line.difference.ci95 is None:
        cells += [line.why_not or "no score", "", ""]
    else:
        low, high = line.difference.ci95
        cells += [f"{100 * line.measured.value:.1f}", f"{line.difference.value:+.1f}", f"{low:+.1f} to {high:+.1f}"]
    if timed:
        cells += [f"{experiment.published_s or 0:.1f}", "" if line.measured_s is None else f"{line.measured_s:.1f}"]
    else:
        evalplus = line.evalplus.value if line.evalplus else None
        cells.append("" if evalplus is None else f"{100 * evalplus:.1f}")
    return [*cells, experiment.note]


def _seconds(metrics: Metrics) -> float | None:
    return None if metrics.latency.total_s is None else metrics.latency.total_s / metrics.samples
