"""`models`: what can be loaded, what a checkpoint is, and random ones."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coda_eval.cli.options import json_option

if TYPE_CHECKING:
    from coda_eval.models.inspection import Inspection
    from coda_eval.tokenizer import Tokenizer


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the embedded checkpoints, the families that can be loaded and the published shapes."""
    if ctx.invoked_subcommand is not None:
        return
    from coda_eval.models.families import FAMILIES
    from coda_eval.models.references import EMBEDDED
    from coda_eval.models.shapes import SHAPES

    families = {name: "masked diffusion" if family.diffusion else "autoregressive" for name, family in FAMILIES.items()}
    if as_json:
        click.echo(json.dumps({"embedded": EMBEDDED, "families": families, "shapes": list(SHAPES)}))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for headings, rows in ((("embedded", "what it is"), EMBEDDED), (("model_type", "kind"), families)):
        table = Table(*headings)
        for name, about in rows.items():
            table.add_row(name, about)
        console.print(table)
    console.print("--model also takes a directory in Hugging Face layout or a hub id of one of these types.")
    console.print(f"Published shapes, for `models random --like`: {', '.join(SHAPES)}.")


@models.command()
@click.argument("reference", metavar="REF")
@json_option
def inspect(reference: str, as_json: bool) -> None:
    """Print what a checkpoint is and what it needs; exit 1 if it cannot be loaded.

    REF is an embedded name, a directory or a hub id. Only headers are read, never the weights.
    """
    from coda_eval.errors import CheckpointError
    from coda_eval.models.inspection import inspect_checkpoint
    from coda_eval.models.references import resolve_model
    from coda_eval.tokenizer import Tokenizer

    directory = resolve_model(reference)
    problems: tuple[str, ...] = ()
    tokenizer = None
    try:
        tokenizer = Tokenizer(directory)
    except CheckpointError as error:
        problems = (str(error),)
    inspection = inspect_checkpoint(directory, tokenizer)
    inspection = dataclasses.replace(inspection, problems=(*inspection.problems, *problems))
    if as_json:
        described = None if tokenizer is None else tokenizer.describe()
        click.echo(json.dumps({**dataclasses.asdict(inspection), "tokenizer": described}))
    else:
        _print_inspection(inspection, tokenizer)
    sys.exit(1 if inspection.problems else 0)


@models.command()
@click.option("--like", default="coda-1.7b", show_default=True, help="A published shape: its family and sizes.")
@click.option("--layers", type=int, help="Instead of the published number.")
@click.option("--hidden", type=int, help="Width of the model; other widths follow.")
@click.option("--vocabulary", type=int, help="Ids; the special ones are the last.")
@click.option("--tokenizer", help="A model whose tokenizer is copied, so that the checkpoint can be run.")
@click.option("--dtype", type=click.Choice(["bfloat16", "float32"]), default="bfloat16", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A directory that is not there yet.")
def random(
    like: str,
    layers: int | None,
    hidden: int | None,
    vocabulary: int | None,
    tokenizer: str | None,
    dtype: str,
    seed: int,
    out: Path,
) -> None:
    """Write a checkpoint with random weights in the layout of any family and in any size."""
    from coda_eval.models.random_checkpoint import resize, speak, write_random_checkpoint
    from coda_eval.models.references import resolve_model
    from coda_eval.models.shapes import find_shape
    from coda_eval.tokenizer import Tokenizer

    shape = resize(find_shape(like), layers=layers, hidden=hidden, vocabulary=vocabulary)
    spoken = None if tokenizer is None else Tokenizer(resolve_model(tokenizer))
    if spoken is not None:
        shape = speak(shape, spoken)
    write_random_checkpoint(shape, out, dtype=dtype, seed=seed)
    for file in () if spoken is None else spoken.files:
        shutil.copyfile(file, out / file.name)
    click.echo(f"{out}: {shape.architecture.num_parameters:,} random parameters like {like}, in {dtype}")


def _print_inspection(found: Inspection, tokenizer: Tokenizer | None) -> None:
    from rich.console import Console
    from rich.table import Table

    special = found.special_tokens
    rows = {
        "family": f"{found.family}, {found.kind}",
        "parameters": f"{found.parameters:,} ({'tied head' if found.tied_head else 'a head of its own'})",
        "sizes": f"{found.layers} layers, width {found.hidden_size}, vocabulary {found.vocabulary}, "
        f"{found.max_positions} positions",
        "tensors": ", ".join(f"{count} {dtype}" for dtype, count in found.dtypes.items()),
        **({"left out": _left_out(found)} if found.left_out else {}),
        "files": ", ".join(f"{name} {_size(size)}" for name, size in found.files.items()),
        "special ids": "contradictory, see below"
        if special is None
        else ("" if special.mask_id is None else f"mask {special.mask_id}, ")
        + f"pad {special.pad_id}, stop {', '.join(map(str, special.stop_ids))}",
        "tokenizer": "none"
        if tokenizer is None
        else f"{len(tokenizer)} ids, chat template {tokenizer.chat_template_sha256 or 'none'}",
        "weights": ", ".join(f"{dtype} {_size(size)}" for dtype, size in found.weights_bytes.items()),
        "cache": ", ".join(
            f"{dtype} {_size(1024 * size)}" for dtype, size in found.cache_bytes_per_token.items() if dtype != "int8"
        )
        + " for 1024 tokens of one row",
        "loadable": "no" if found.problems else "yes",
    }
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    Console(highlight=False).print(table)
    for problem in found.problems:
        click.echo(f"problem: {problem}", err=True)


def _left_out(found: Inspection) -> str:
    return ", ".join(f"{count} tensors of {part}" for part, count in found.left_out.items()) + ": not of the text model"


def _size(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"
