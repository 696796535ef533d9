"""Results on stdout: a table for people, or one JSON object."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from coda_eval.records import Estimate, Metrics


def print_metrics(metrics: Metrics, *, out: Path, chart: Path | None, as_json: bool) -> None:
    """What a run amounts to, and where it is."""
    if as_json:
        content = {**dataclasses.asdict(metrics), "out": str(out)}
        click.echo(json.dumps(content if chart is None else {**content, "chart": str(chart)}))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(title=f"{metrics.task} · protocol {metrics.protocol}", title_justify="left", title_style="bold")
    for heading in ("suite", "metric", "value", "95 % interval"):
        table.add_column(heading, justify="left" if heading in ("suite", "metric") else "right")
    for suite, estimates in metrics.pass_at_k.items():
        for name, estimate in estimates.items():
            table.add_row(suite, name, *_cells(estimate))
    for suite, estimate in metrics.alone.items():
        table.add_row(f"{suite} alone", "pass@1", *_cells(estimate))
    for name, groups in metrics.breakdown.items():
        for value, estimate in groups.items():
            table.add_row(f"{name}: {value}", "pass@1", *_cells(estimate))
    console.print(table)
    for name, effect in metrics.extraction.items():
        value, interval = _cells(effect.pass_at_1)
        click.echo(
            f"extracted by {name} and judged by the task's own tests: pass@1 {value} ({interval}), "
            f"{effect.changed} verdicts would change"
        )
    if remark := _remark(metrics.protocol):
        click.echo(f"{metrics.protocol}: {remark}")
    statuses = ", ".join(f"{count} {status}" for status, count in sorted(metrics.statuses.items()))
    unscored = f", {metrics.unscored} unscored" if metrics.unscored else ""
    unscored += f"; {metrics.missing} problems without a sample" if metrics.missing else ""
    click.echo(f"{metrics.samples} samples of {metrics.problems} problems: {statuses}{unscored}")
    if line := latency_line(metrics):
        click.echo(line)
    click.echo(f"run: {out}" + (f"   chart: {chart}" if chart else ""))


def _remark(protocol: str) -> str:
    from coda_eval.protocols import PROTOCOLS

    return PROTOCOLS[protocol].remark if protocol in PROTOCOLS else ""


def latency_line(metrics: Metrics) -> str:
    """Latency in a line; empty where the samples carry none."""
    latency = metrics.latency
    if latency.total_s is None:
        return ""
    parts = [f"{latency.total_s / metrics.samples:.3f} s a completion", f"{latency.p50_s:.2f} s a batch (p50)"]
    if latency.tokens_per_s is not None:
        parts.append(f"{latency.tokens_per_s:.0f} useful tokens/s")
    if latency.nfe_full is not None:
        parts.append(f"{latency.nfe_full:.1f} forwards")
    return "latency: " + ", ".join(parts)


def _cells(estimate: Estimate) -> tuple[str, str]:
    if estimate.value is None or estimate.ci95 is None:
        return "not enough samples", ""
    low, high = estimate.ci95
    return f"{estimate.value:.3f}", f"{low:.3f} to {high:.3f}"
