"""`train`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from coda_eval.cli.options import json_option


@click.group()
def train() -> None:
    """Train the embedded checkpoints."""


@train.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/training"), show_default=True, help="Where to train."
)
@click.option("--only", help="Names with commas between.  [default: all three]")
@json_option
def quickstart(out: Path, only: str | None, as_json: bool) -> None:
    """Remake the embedded checkpoints; the same command goes on where it was interrupted.

    Each ends up in OUT/NAME in Hugging Face layout, which --model of `coda-eval run` takes.
    """
    from coda_eval.training.quickstart import train_quickstart

    directories = train_quickstart(out, names=only.split(",") if only else None, quiet=as_json)
    if as_json:
        click.echo(json.dumps({directory.name: str(directory) for directory in directories}))
    else:
        for directory in directories:
            click.echo(f"{directory.name}: {directory}")
