"""`plan`: what a model needs on accelerators that are not here."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from coda_eval.cli.options import BatchSize, Mesh, attention_option, decoding_options, json_option, sampler_config
from coda_eval.config import DTYPES
from coda_eval.errors import ConfigError

if TYPE_CHECKING:
    from coda_eval.plan.layout import Memory
    from coda_eval.plan.plan import Plan
    from coda_eval.plan.roofline import Cost


@click.command()
@click.option(
    "--model", required=True, help="A published shape (`coda-1.7b`), an embedded name, a directory, a hub id."
)
@click.option("--topology", required=True, help="v5e:2x4, v5p:2x2x1, h100:1, say; a wrong one lists them all.")
@click.option("--mesh", type=Mesh(), help="How chips share the work.  [default: as few a model as hold it]")
@click.option("--prompt-width", type=click.IntRange(min=1), help="Columns for prompts.  [default: 448, for HumanEval]")
@decoding_options
@click.option(
    "--batch-size", type=BatchSize(), default=32, show_default=True, help="Of all chips together; `max` finds it."
)
@click.option("--dtype", type=click.Choice(DTYPES), default="bfloat16", show_default=True, help="Of the weights.")
@attention_option
@json_option
def plan(**given: Any) -> None:
    """Compile the sampler for TPUs that are not here: memory, FLOPs, and the least time that HumanEval takes.

    Random weights are enough: shapes decide. GPUs are planned by arithmetic alone.
    """
    import jax

    jax.config.update("jax_platforms", "cpu")  # the chips are not here, and those that are stay free

    from coda_eval.plan.plan import PROMPT_WIDTH, Question, make_plan

    largest = given["batch_size"] == "max"
    found = make_plan(
        Question(
            model=given["model"],
            topology=given["topology"],
            sampler=sampler_config({**given, **({"batch_size": 1} if largest else {})}),
            largest_batch=largest,
            dtype=given["dtype"],
            attention=given["attention"],
            mesh=given["mesh"],
            prompt_width=given["prompt_width"] or PROMPT_WIDTH,
        )
    )
    if given["as_json"]:
        click.echo(json.dumps(document(found)))
    else:
        _print(found)
    if not found.memory.fits:
        short = found.memory.total - found.memory.available
        raise ConfigError(
            f"{found.model} with --batch-size {found.batch_size} does not fit on {found.topology} "
            f"as --mesh {found.mesh}: a chip lacks {_size(short)} of {_size(found.memory.total)}; try {found.remedy}"
        )


def document(found: Plan) -> dict[str, Any]:
    """A plan as plain data."""

    def with_total(memory: Memory) -> dict[str, Any]:
        return {**dataclasses.asdict(memory), "total": memory.total}

    memories = {
        "memory": with_total(found.memory),
        "one_more": None if found.one_more is None else with_total(found.one_more),
    }
    return {**dataclasses.asdict(found), "mesh": str(found.mesh), **memories}


def _print(found: Plan) -> None:
    from rich.console import Console
    from rich.table import Table

    memory, forwards = found.memory, found.forwards
    beyond = "" if found.one_more is None else f"; {found.batch_size + found.mesh.data} do not fit"
    verdict = ("fits" if memory.fits else "does not fit") + (" (estimated)" if memory.estimated else "")
    table = Table(
        title=f"{found.model} on {found.topology}", title_justify="left", title_style="bold", show_header=False
    )
    rows = {
        "model": f"{found.parameters / 1e9:.2f} billion parameters in {found.dtype}",
        "chips": f"{found.chips}, as {found.mesh}",
        "batch": f"{found.batch_size} rows of {found.length} columns{beyond}",
        "memory a chip": f"{_size(memory.total)} of {_size(memory.available)}: {verdict}",
        "": f"weights {_size(memory.weights)}, cache {_size(memory.cache)}, temporaries {_size(memory.temporaries)}, "
        f"program {_size(memory.program)}, other {_size(memory.other_arguments)}",
        "full forward": _cost(found.full) + ("" if found.attention is None else f", attention by {found.attention}"),
    }
    if found.window is not None:
        rows["window forward"] = f"{_cost(found.window)} ({forwards.window_columns} columns)"
    if found.compiled_full_flops is not None:
        ratio = found.compiled_full_flops / found.full.layers_flops
        rows["compiler's count"] = f"{found.compiled_full_flops:.3g} FLOPs in the layers, {ratio:.3f} of the formula's"
    rows["HumanEval"] = (
        f"at least {_time(found.floor_s)}, about {_time(found.estimated_s)} at half of the roofline: "
        f"at most {forwards.full} full and {forwards.window} window forwards a batch, bound by {found.bound}"
    )
    for name, value in rows.items():
        table.add_row(name, value)
    Console(highlight=False).print(table)


def _cost(cost: Cost) -> str:
    return (
        f"{cost.flops:.3g} FLOPs, {_size(cost.bytes_per_chip)} read a chip, "
        f"at least {cost.floor_s * 1e3:.3g} ms ({cost.bound})"
    )


def _size(size: float) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**27 else f"{size / 2**20:.2f} MiB"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"
