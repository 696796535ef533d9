"""`doctor`: what is here."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass

import click

from coda_eval.cli.options import json_option
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
