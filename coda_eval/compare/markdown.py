"""A comparison as Markdown that fits into a comment on a pull request, however many problems flipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coda_eval.compare.changes import Flip
from coda_eval.compare.comparison import Finding, TaskComparison
from coda_eval.compare.evidence import count
from coda_eval.compare.gate import GateReport
from coda_eval.compare.wording import (
    metric_headings,
    say_differences,
    say_grown,
    say_limits,
    say_metric,
    say_size,
    say_speed,
    say_tally,
)

FLIPS_SHOWN = 25
GAPS_SHOWN = 10
DECIDED = (Finding.WORSE, Finding.BETTER)
_ALIGNMENT = {"left": ":--", "right": "--:"}


def to_markdown(report: GateReport) -> str:
    """GitHub's and GitLab's dialect."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: GateReport) -> Iterator[str]:
    outcome = "✅ coda-eval compare passed" if report.passed else "❌ coda-eval compare failed"
    baseline, candidate = _names(report)
    yield f"### {outcome}: {_code(candidate)} against {_code(baseline)}"
    yield ""
    if report.failures:
        yield from (f"- **{failure.kind}**: {_text(failure.line)}" for failure in report.failures[:GAPS_SHOWN])
        if len(report.failures) > GAPS_SHOWN:
            yield f"- and {len(report.failures) - GAPS_SHOWN} more"
        yield ""
    yield from _table(
        ["task", *metric_headings(report.gate)],
        [
            [_text(metric.task), *(f"**{cell}**" if cell in DECIDED else cell for cell in say_metric(metric))]
            for comparison in report.comparisons
            for metric in comparison.metrics
        ],
        left=(0, 1, 7),
    )
    yield ""
    warnings = [] if report.gate.require_complete else list(report.gaps)
    if warnings:
        yield from (f"- ⚠️ {_text(line)}" for line in warnings[:GAPS_SHOWN])
        if len(warnings) > GAPS_SHOWN:
            yield f"- and {len(warnings) - GAPS_SHOWN} more gaps"
        yield ""
    for comparison in report.comparisons:
        yield from _task(comparison)
    yield f"<sub>{'<br>'.join(_text(line) for line in say_limits(report))}</sub>"


def _task(comparison: TaskComparison) -> Iterator[str]:
    run = comparison.baseline
    yield f"**{_text(run.task)}** (protocol {_text(run.protocol)}): {say_size(comparison)}"
    yield ""
    lines = [_text(line) for line in say_differences(comparison)]
    if grown := say_grown(comparison):
        lines.append(f"more often: {grown}")
    lines += [say_speed(change) for change in comparison.speed]
    if lines:
        yield from (f"- {line}" for line in lines)
        yield ""
    for title, flips in (("newly failing", comparison.newly_failing), ("newly passing", comparison.newly_passing)):
        if flips:
            yield from _flips(title, flips)


def _flips(title: str, flips: Sequence[Flip]) -> Iterator[str]:
    yield f"<details><summary>{count(len(flips), 'problem')} {title}</summary>"
    yield ""
    yield from _table(
        ["problem", "baseline", "candidate"],
        [
            [_code(flip.task_id), *(_code(say_tally(tally)) for tally in (flip.baseline, flip.candidate))]
            for flip in flips[:FLIPS_SHOWN]
        ],
        left=(0, 1, 2),
    )
    if len(flips) > FLIPS_SHOWN:
        yield ""
        yield f"and {len(flips) - FLIPS_SHOWN} more"
    yield ""
    yield "</details>"
    yield ""


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[int]) -> Iterator[str]:
    yield _row(headings)
    yield _row([_ALIGNMENT["left" if column in left else "right"] for column in range(len(headings))])
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _names(report: GateReport) -> tuple[str, str]:
    """The models, or where they have one name the places."""
    baseline = ", ".join(dict.fromkeys(comparison.baseline.model for comparison in report.comparisons))
    candidate = ", ".join(dict.fromkeys(comparison.candidate.model for comparison in report.comparisons))
    return (baseline, candidate) if baseline != candidate else (str(report.baseline), str(report.candidate))


def _code(text: str) -> str:
    """A code span; what would end it or a cell of a table is replaced."""
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _text(text: str) -> str:
    """Text that is only text in Markdown and HTML."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*_[]|#" else letter for letter in " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")
