"""`paper`: the CoDA report's figures, repeated."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from coda_eval.cli.options import data_dir_option, json_option, limit_option
from coda_eval.config import EXECUTORS, ExecutionConfig, RunConfig
from coda_eval.errors import CheckpointError, ConfigError, TaskError


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where runs and the comparison go.")
@click.option(
    "--models",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where checkpoints lie, as ORGANISATION/NAME.  [default: the hub's cache]",
)
@click.option("--download", is_flag=True, help="Get from the hub what is not here: some 70 GB for all of them.")
@click.option("--executor", type=click.Choice(EXECUTORS), default=EXECUTORS[0], show_default=True)
@limit_option
@data_dir_option
@json_option
def paper(
    out: Path,
    models: Path | None,
    download: bool,
    executor: str,
    limit: int | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Repeat Table 4 and Figure 3 of the CoDA report (arXiv 2510.03270).

    Prints the command of each cell and point, runs those whose models are on this machine, and sets published and
    measured figures side by side. What is done is not done again.
    """
    from coda_eval.paper.experiments import experiments
    from coda_eval.paper.table import ceilings_text, headline_text, read_line, write

    planned = experiments(ExecutionConfig(executor=executor), limit=limit)
    problems: dict[str, str] = {}
    for experiment in {each.name: each for each in planned}.values():
        if not (out / "runs" / experiment.name / "metrics.json").exists():
            click.echo(f"{experiment.name}: {experiment.command(out)}", err=True)
            problems[experiment.name] = _run(
                experiment.config, out / "runs" / experiment.name, models, download, data_dir
            )
            click.echo(f"  {problems[experiment.name] or 'done'}", err=True)
    lines = [read_line(experiment, out, why_not=problems.get(experiment.name, "")) for experiment in planned]
    file = write(lines, out)
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                "source": line.experiment.source,
                "model": line.experiment.model,
                "task": line.experiment.config.task,
                "steps": line.experiment.config.sampler.steps,
                "published": line.experiment.published,
                "measured": None if line.measured is None else line.measured.value,
                "difference": None if line.difference is None else dataclasses.asdict(line.difference),
                "protocol": line.experiment.config.protocol,
                "note": line.experiment.note,
                "command": line.command,
                "not_run": line.why_not,
            }
            for line in lines
        ]
        click.echo(json.dumps({"comparison": str(file), "lines": rows}))
        return
    click.echo(headline_text())
    click.echo(ceilings_text())
    measured = sum(line.measured is not None for line in lines)
    click.echo(f"{measured} of {len(lines)} published figures are measured: {file}")


def _run(config: RunConfig, out: Path, models: Path | None, download: bool, data_dir: Path | None) -> str:
    """Runs one experiment; returns why it could not be run, or nothing."""
    folder = None if models is None else models / config.model
    is_here = _is_cached(config.model) if folder is None else folder.is_dir()
    if not is_here and not download:
        return "not on this machine (--models, or --download)"
    reference = str(folder) if folder is not None and is_here else config.model
    from coda_eval.run.evaluate import evaluate

    try:
        evaluate(dataclasses.replace(config, model=reference), out, data_dir=data_dir)
    except (CheckpointError, ConfigError, TaskError) as error:
        return " ".join(str(error).split())
    return ""


def _is_cached(hub_id: str) -> bool:
    """Whether the hub's cache on this machine has a checkpoint."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        huggingface_hub.snapshot_download(hub_id, local_files_only=True)
    except LocalEntryNotFoundError:
        return False
    return True
