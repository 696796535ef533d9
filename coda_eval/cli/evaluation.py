"""`run`, `score` and `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from coda_eval.cli.options import (
    also_extract_option,
    attention_option,
    data_dir_option,
    endpoint_options,
    execution_config,
    execution_options,
    extractor_names,
    json_option,
    limit_option,
    protocol_option,
    sampler_config,
    sampler_options,
)
from coda_eval.cli.present import print_metrics
from coda_eval.config import EndpointConfig, RunConfig, positive_limit
from coda_eval.errors import SamplesError

_EXECUTION_FIELDS = ("executor", "timeout_s", "memory_mb", "workers", "runtime")
DEFAULT_MODEL = "coda-tiny"
DEFAULT_TASK = "mini"


@click.command()
@click.option(
    "--model",
    help="Embedded name, directory in Hugging Face layout, hub id, or openai:MODEL@BASE_URL.  "
    f"[default: {DEFAULT_MODEL}]",
)
@click.option("--task", help=f"A task's name, or the path of a TOML.  [default: {DEFAULT_TASK}]")
@protocol_option
@click.option(
    "--prompt",
    type=click.Choice(("auto", "base", "instruct")),
    default="auto",
    show_default=True,
    help="Whether the model continues a text or answers a chat; `auto` goes by its chat template and its name.",
)
@also_extract_option
@click.option("--out", type=click.Path(path_type=Path), help="Run directory.  [default: runs/MODEL-TASK]")
@click.option("--samples", type=int, default=1, show_default=True, help="Completions a problem.")
@limit_option
@click.option("--trace", is_flag=True, help="Keep the order in which tokens were committed, for `plot --trace`.")
@click.option("--distributed", is_flag=True, help="One of several processes: a TPU pod, srun, Kubernetes, mpirun.")
@sampler_options
@attention_option
@execution_options
@endpoint_options
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
        prompt=given["prompt"],
        extract_also=extractor_names(given["also_extract"]),
        samples=given["samples"],
        limit=given["limit"],
        dtype=given["dtype"],
        mesh=given["mesh"],
        attention=given["attention"],
        trace=given["trace"],
        sampler=sampler_config(given),
        execution=execution_config(
            task=task, protocol=given["protocol"], **{name: given[name] for name in _EXECUTION_FIELDS}
        ),
        endpoint=EndpointConfig(timeout_s=given["endpoint_timeout_s"], retries=given["endpoint_retries"]),
    )
    # Of an endpoint the model's name, not the end of its address.
    label = Path(model.removeprefix("openai:").partition("@")[0]).name
    out = given["out"] or Path("runs") / f"{label}-{Path(task).stem}"

    from coda_eval.run.evaluate import evaluate

    if given["distributed"]:
        from coda_eval.run.processes import evaluate_share

        merged = evaluate_share(config, out, data_dir=given["data_dir"], quiet=given["as_json"])
        if merged is None:
            click.echo("this share is done; the process that ends last puts them together", err=True)
            return
        metrics = merged
    else:
        metrics = evaluate(config, out, data_dir=given["data_dir"], quiet=given["as_json"])

    from coda_eval.plots import plot_run

    chart = out / "chart.png"
    plot_run(out, chart)
    print_metrics(metrics, out=out, chart=chart, as_json=given["as_json"])


@click.command()
@click.argument("samples_file", metavar="SAMPLES.jsonl", type=click.Path(path_type=Path))
@click.option("--task", required=True, help="The task that the samples are for.")
@protocol_option
@click.option(
    "--prompt",
    type=click.Choice(("base", "instruct")),
    default="base",
    show_default=True,
    help="Whether completions continue the prompt, or answer it as a chat model does.",
)
@click.option(
    "--extractor",
    help="In the place of the protocol's own. `verbatim` takes lines as the official evaluators do: `solution`, or "
    "the prompt and the whole completion.",
)
@also_extract_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run directory.")
@limit_option
@execution_options
@data_dir_option
@json_option
def score(samples_file: Path, **given: Any) -> None:
    """Judge completions from elsewhere: human-eval's, evalplus' or lm-eval's samples files, plain or gzipped.

    Lines that cannot be scored are named on stderr, the others are scored, and the exit code is 2.
    """
    from coda_eval.run.score import score_completions

    metrics = score_completions(
        samples_file,
        task=given["task"],
        protocol=given["protocol"],
        execution=execution_config(
            task=given["task"], protocol=given["protocol"], **{name: given[name] for name in _EXECUTION_FIELDS}
        ),
        out=given["out"],
        prompt=given["prompt"],
        extractor=given["extractor"],
        extract_also=extractor_names(given["also_extract"]),
        data_dir=given["data_dir"],
        limit=positive_limit(given["limit"]),
        quiet=given["as_json"],
        say=lambda line: click.echo(line, err=True),
    )
    print_metrics(metrics, out=given["out"], chart=None, as_json=given["as_json"])
    if metrics.rejected:
        raise SamplesError(
            f"{metrics.rejected} lines of {samples_file} were not scored (named above), the others were; mend them and "
            "score the file again into another directory"
        )


@click.command()
@click.argument("run_directory", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--to", "form", required=True, type=click.Choice(("evalplus", "human-eval", "lm-eval")))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The samples file; gzipped if so named.")
@data_dir_option
@json_option
def export(run_directory: Path, form: str, out: Path, data_dir: Path | None, as_json: bool) -> None:
    """Write a run's samples as the file that another harness reads."""
    from coda_eval.run.export import export_samples

    count = export_samples(run_directory, form=form, out=out, data_dir=data_dir)
    click.echo(json.dumps({"samples": count, "file": str(out)}) if as_json else f"{count} samples: {out}")
