"""`sweep`: accuracy against latency over many settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coda_eval.cli.options import (
    data_dir_option,
    execution_config,
    execution_options,
    group,
    json_option,
    limit_option,
    protocol_option,
)
from coda_eval.config import EndpointConfig, sweepable_settings
from coda_eval.errors import ConfigError, SweepError

if TYPE_CHECKING:
    from coda_eval.report import Report
    from coda_eval.sweep.plan import SweepConfig

RULES = ("steps", "threshold", "factor", "entropy_bound")
"""Ways to decide how much a forward commits: each is swept by itself. All other axes are multiplied."""
AXES = ("algorithm", "block_length", "cache", "temperature", "top_p", "batch_size", "dtype", "max_new_tokens")
FILE_WIDTH = 140
_EXECUTION_FIELDS = ("executor", "timeout_s", "memory_mb", "workers", "runtime")


class Values(click.ParamType[tuple[Any, ...]]):
    """Values of one setting, with commas between."""

    def __init__(self, setting: str, kind: type) -> None:
        self._setting = setting
        self._kind = kind
        self.name = f"{kind.__name__},...".upper()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """`steps` takes `max` too."""
        if isinstance(value, tuple):
            return value
        try:
            words = [word.strip() for word in str(value).split(",") if word.strip()]
            return tuple(word if self._setting == "steps" and word == "max" else self._kind(word) for word in words)
        except ValueError as error:
            self.fail(f"{value!r}: {error}; expected values with commas between", param, ctx)


_KINDS = sweepable_settings()
grid_options = group(
    *(
        click.option(
            f"--{name.replace('_', '-')}", type=Values(name, _KINDS[name]), help=f"Values of {name.replace('_', ' ')}."
        )
        for name in (*RULES, *AXES)
    )
)


@click.command()
@click.argument("file", metavar="[CONFIG.toml]", required=False, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The sweep's directory.")
@click.option("--model", "models", multiple=True, help="What is swept; may be given several times.")
@click.option("--baseline", "baselines", multiple=True, help="Run once, with the axes that are not diffusion's.")
@click.option("--task", help="A task's name, or the path of a TOML.")
@protocol_option
@click.option("--samples", type=int, help="Completions a problem.  [default: 1]")
@limit_option
@click.option("--repeats", type=int, help="Runs of each point, for the spread of its times.  [default: 1]")
@click.option("--seeds", type=Values("seeds", int), help="Seeds of each point.  [default: 0]")
@click.option("--trace", is_flag=True, help="Record in which order tokens are committed, for the report.")
@grid_options
@execution_options
@data_dir_option
@json_option
def sweep(file: Path | None, out: Path, data_dir: Path | None, as_json: bool, **given: Any) -> None:
    """Measure many settings of several models: a TOML, or options with commas between values.

    For example: coda-eval sweep --model coda-tiny --baseline coda-tiny-ar --task mini --steps 8,16,32 --out runs/sweep

    Steps, threshold, factor and entropy bound are swept one by one; other settings multiply. Points are runs of their
    own; the same command goes on where a sweep was interrupted, and one with more values extends it. Ends with a report
    and charts.
    """
    from coda_eval.run.workbench import ModelShelf
    from coda_eval.sweep.plan import read_toml
    from coda_eval.sweep.run import run_sweep

    asked = _from_options(given) if file is None else _from_file(read_toml(file), given)
    tasks = asked.pop("tasks")
    if not tasks:
        raise ConfigError("the sweep names no task; give `task` in its TOML, or --task")
    sweeps = [(_config(asked, task, given), out if len(tasks) == 1 else out / Path(task).stem) for task in tasks]
    models = ModelShelf(keep_all=sweeps[0][0].order == "random")
    failures: list[str] = []
    results = []
    for config, directory in sweeps:
        outcome = run_sweep(
            config, directory, data_dir=data_dir, models=models, say=lambda line: click.echo(line, err=True)
        )
        failures += outcome.failures
        if outcome.points > len(outcome.failures):
            results.append(_present(directory, as_json=as_json))
    if as_json:
        click.echo(json.dumps({"sweeps": results, "failures": failures}))
    if failures:
        raise SweepError(
            f"{len(failures)} of the points failed, the others are done; the first: {failures[0]}; "
            "the same command tries them again"
        )


def _from_options(given: dict[str, Any]) -> dict[str, Any]:
    """What the options ask for, in the form of a TOML."""
    values = {name: given[name] for name in (*RULES, *AXES) if given.get(name) is not None}
    shared = {name: each for name, each in values.items() if name not in RULES}
    rules = [{name: each} for name, each in values.items() if name in RULES] or [{}]
    return {
        **{
            name: given[name]
            for name in ("protocol", "samples", "limit", "repeats", "seeds", "trace")
            if given[name] is not None
        },
        "models": given["models"],
        "baselines": given["baselines"],
        "tasks": (given["task"],) if given["task"] else (),
        "grids": tuple({**rule, **shared} for rule in rules) if values else (),
    }


def _from_file(document: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What the file asks for; beside it, only execution and `--limit` can be given as options."""
    both = [name for name in ("models", "baselines", "task", "protocol", "samples", "repeats", "seeds") if given[name]]
    both += [name for name in (*RULES, *AXES) if given.get(name) is not None]
    if both:
        raise ConfigError(f"--{both[0].replace('_', '-')} is given beside a TOML; write it into that, or leave it out")
    document["trace"] = given["trace"] or document.get("trace", False)
    return {"tasks": (), **document, **({"limit": given["limit"]} if given["limit"] is not None else {})}


def _config(asked: dict[str, Any], task: str, given: dict[str, Any]) -> SweepConfig:
    from coda_eval.sweep.plan import SweepConfig

    asked = dict(asked)
    execution = {**dict.fromkeys(_EXECUTION_FIELDS), **asked.pop("execution", {})}
    execution |= {name: given[name] for name in _EXECUTION_FIELDS if given[name] is not None}
    try:
        endpoint = EndpointConfig(**asked.pop("endpoint", {}))
        return SweepConfig(
            **asked,
            task=task,
            execution=execution_config(task=task, protocol=asked.get("protocol"), **execution),
            endpoint=endpoint,
        )
    except TypeError as error:
        raise ConfigError(f"the sweep's TOML has a value of the wrong kind or name ({error})") from None


def _present(directory: Path, *, as_json: bool) -> dict[str, Any]:
    """Writes the report, and prints its table."""
    from coda_eval.points import read_failures, read_points
    from coda_eval.report import build_report, write_html, write_markdown

    report = build_report(read_points([directory]), read_failures([directory]))
    page = directory / "report.html"
    write_html(report, page)
    write_markdown(report, directory / "report.md")
    if not as_json:
        _print_table(report)
        click.echo(f"report: {page}")
    points: Sequence[dict[str, Any]] = [
        {
            "point": row.label,
            "pass@1": row.accuracy.value,
            "ci95": row.accuracy.ci95,
            "seconds": None if row.seconds is None else row.seconds.median,
            "tokens_per_s": row.tokens_per_s,
            "on_front": row.on_front,
        }
        for row in report.rows
    ]
    return {"out": str(directory), "report": str(page), "points": points}


def _print_table(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    from coda_eval.report.content import three_figures

    table = Table("", "point", title=f"{report.task} · protocol {report.protocol}", title_justify="left")
    for heading in ("pass@1", "95 % interval", "s a completion", "tokens/s", "tokens a forward"):
        table.add_column(heading, justify="right")
    for row in report.rows:
        low_high = "" if row.accuracy.ci95 is None else "{:.3f} to {:.3f}".format(*row.accuracy.ci95)
        table.add_row(
            "★" if row.on_front else "",
            row.label,
            "" if row.accuracy.value is None else f"{row.accuracy.value:.3f}",
            low_high,
            *(
                "" if value is None else three_figures(value)
                for value in (row.seconds and row.seconds.median, row.tokens_per_s, row.tokens_per_forward)
            ),
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH  # else 80 columns, which break every label
    console.print(table)
    for line in report.summary:
        click.echo(line)
