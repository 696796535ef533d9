"""`doctor`, `models` and `tasks`: what is here."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from coda_eval.cli.options import data_dir_option, json_option
from coda_eval.errors import CodaEvalError


@dataclass(frozen=True, slots=True)
class _Finding:
    name: str
    state: str
    """`ok`, `missing` (something works less well) or `broken` (the embedded default does not work)."""
    detail: str


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look at everything that a run needs; exit 1 if the embedded default cannot work."""
    findings = [
        _Finding("python", "ok", f"{platform.python_version()} on {platform.machine()}"),
        _look("jax", _jax, otherwise="broken"),
        _look("embedded models", _embedded_models, otherwise="broken"),
        _look("task mini", lambda: _task("mini"), otherwise="broken"),
        _look("local executor", _local_executor, otherwise="broken"),
        _look("docker engine", _engine, otherwise="missing"),
        _look("sandbox image", _image, otherwise="missing"),
        _look("task humaneval", lambda: _task("humaneval"), otherwise="missing"),
    ]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("what", "state", "detail")
        style = {"ok": "green", "missing": "yellow", "broken": "red"}
        for finding in findings:
            table.add_row(finding.name, f"[{style[finding.state]}]{finding.state}[/]", finding.detail)
        Console(highlight=False).print(table)
    sys.exit(1 if any(finding.state == "broken" for finding in findings) else 0)


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the embedded checkpoints and the model families that can be loaded."""
    from coda_eval.models.families import FAMILIES
    from coda_eval.models.references import EMBEDDED

    families = {name: "masked diffusion" if family.diffusion else "autoregressive" for name, family in FAMILIES.items()}
    if as_json:
        click.echo(json.dumps({"embedded": EMBEDDED, "families": families}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("embedded", "what it is")
    for name, about in EMBEDDED.items():
        table.add_row(name, about)
    console = Console(highlight=False)
    console.print(table)
    table = Table("model_type", "kind")
    for name, kind in families.items():
        table.add_row(name, kind)
    console.print(table)
    console.print("--model also takes a directory in Hugging Face layout or a hub id of one of these types.")


@click.command()
@data_dir_option
@json_option
def tasks(data_dir: Path | None, as_json: bool) -> None:
    """List the benchmarks: problems, protocols, and where their data were found."""
    from coda_eval.tasks import list_tasks, load_task

    rows = []
    for definition in list_tasks():
        row: dict[str, object] = {
            "task": definition.name,
            "version": definition.version,
            "protocols": list(definition.protocols),
        }
        try:
            task = load_task(definition.name, data_dir=data_dir)
            row |= {"problems": len(task.problems), "data": str(task.data_source)}
        except CodaEvalError as error:
            row |= {"problems": None, "data": str(error)}
        rows.append(row)
    if as_json:
        click.echo(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "version", "problems", "protocols", "data")
    for row in rows:
        problems = "" if row["problems"] is None else str(row["problems"])
        protocols = ", ".join(definition for definition in row["protocols"])  # type: ignore[attr-defined]
        table.add_row(str(row["task"]), str(row["version"]), problems, protocols, str(row["data"]))
    Console(highlight=False).print(table)


def _look(name: str, find: Callable[[], str], *, otherwise: str) -> _Finding:
    try:
        return _Finding(name, "ok", find())
    except (CodaEvalError, ImportError, OSError) as error:
        return _Finding(name, otherwise, " ".join(str(error).split()))


def _jax() -> str:
    import jax

    return f"{jax.__version__}, {jax.device_count()} x {jax.devices()[0].device_kind} ({jax.default_backend()})"


def _embedded_models() -> str:
    from coda_eval.models.checkpoint import read_config
    from coda_eval.models.references import EMBEDDED, resolve_model

    for name in EMBEDDED:
        read_config(resolve_model(name))
    return ", ".join(EMBEDDED)


def _task(name: str) -> str:
    from coda_eval.tasks import load_task

    task = load_task(name)
    return f"{len(task.problems)} problems from {task.data_source.name}"


def _engine() -> str:
    from coda_eval.execution.engine import connect

    with contextlib.closing(connect()) as client:
        return f"version {client.version()['Version']}"


def _image() -> str:
    from coda_eval.execution.engine import connect
    from coda_eval.execution.image import find_image

    with contextlib.closing(connect()) as client:
        return find_image(client).tag


def _local_executor() -> str:
    from coda_eval.config import ExecutionConfig
    from coda_eval.execution import open_executor

    with open_executor(ExecutionConfig(executor="local", workers=1)) as executor:
        return f"python {executor.describe()['python']}, not isolated"
