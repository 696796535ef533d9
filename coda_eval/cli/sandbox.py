"""`sandbox build` and `sandbox check`, and what the embedded default runs its programs in."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from coda_eval.cli.options import data_dir_option, json_option
from coda_eval.config import EXECUTORS, ExecutionConfig
from coda_eval.errors import EngineUnavailable, ImageMissing, SandboxError


@click.group()
def sandbox() -> None:
    """Build the sandbox image, and see what it holds."""


@sandbox.command()
@click.option("--base", help="Image to build on.  [default: a slim Python image]")
@click.option(
    "--offline", is_flag=True, help="Make the base from Debian packages with debootstrap; no registry needed."
)
@json_option
def build(base: str | None, offline: bool, as_json: bool) -> None:
    """Build the image that programs run in."""
    from coda_eval.execution.image import build_image

    tag = build_image(base, offline, lambda line: click.echo(line, err=True))
    click.echo(json.dumps({"image": tag}) if as_json else f"built {tag}")


@sandbox.command()
@click.option(
    "--tasks", "names", default="installed", show_default=True, help="`all`, `installed`, or names with commas between."
)
@click.option("--executor", type=click.Choice(EXECUTORS), default="docker", show_default=True)
@data_dir_option
@json_option
def check(names: str, executor: str, data_dir: Path | None, as_json: bool) -> None:
    """Run every canonical solution and a list of hostile programs; exit 1 if one of them is not held."""
    from rich.console import Console
    from rich.table import Table

    from coda_eval.execution import open_executor
    from coda_eval.execution.check import CheckRow, check_canonical, check_hostile
    from coda_eval.execution.hostile import hostile_programs

    canonical = _canonical_programs(names, data_dir)
    groups: list[tuple[str, list[CheckRow]]] = []
    config = ExecutionConfig(executor=executor)
    with open_executor(config) as opened:
        description = opened.describe()
        for title, programs in canonical:
            groups.append((title, list(check_canonical(opened, programs))))
        groups.append(("hostile programs", list(check_hostile(opened, hostile_programs()))))
    held = all(row.held for _, rows in groups for row in rows)
    if as_json:
        rows = [{"group": title, **_as_dict(row)} for title, group in groups for row in group]
        click.echo(json.dumps({"held": held, "sandbox": description, "rows": rows}))
    else:
        console = Console(highlight=False)
        console.print(", ".join(f"{key} {value}" for key, value in description.items()))
        for title, group in groups:
            console.print(f"{title}: {sum(row.held for row in group)} of {len(group)} held")
        if failures := [row for _, group in groups for row in group if not row.held]:
            table = Table("program", "expected", "got")
            for row in failures:
                table.add_row(row.name, row.expected, row.got)
            console.print(table)
    sys.exit(0 if held else 1)


def executor_at_hand() -> str:
    """`docker` where an engine answers and the image is there or can be built, else `local`; says which and why."""
    try:
        _find_or_build_image()
    except SandboxError as error:
        click.echo(f"{error}\nno sandbox image: programs of the embedded model run in the local executor", err=True)
        return "local"
    return "docker"


def _find_or_build_image() -> None:
    from coda_eval.execution.engine import connect
    from coda_eval.execution.image import build_image, find_image

    with contextlib.closing(connect()) as client:
        try:
            find_image(client)
            return
        except ImageMissing:
            pass
    click.echo("building the sandbox image (once)", err=True)
    attempts = [False, True] if shutil.which("debootstrap") else [False]
    for offline in attempts:
        try:
            build_image(None, offline, lambda line: None)
            return
        except EngineUnavailable:
            raise
        except SandboxError:
            if offline is attempts[-1]:
                raise


def _canonical_programs(names: str, data_dir: Path | None) -> list[tuple[str, Iterable[Any]]]:
    """The canonical solutions of the tasks as programs, by task."""
    from coda_eval.errors import TaskError
    from coda_eval.records import Program
    from coda_eval.tasks import list_tasks, load_task

    everything = [definition.name for definition in list_tasks()]
    wanted = everything if names in ("all", "installed") else [name.strip() for name in names.split(",")]
    groups: list[tuple[str, Iterable[Any]]] = []
    for name in wanted:
        try:
            task = load_task(name, data_dir=data_dir)
        except TaskError:
            if names == "installed":  # its data are not at hand
                continue
            raise
        programs = [
            Program(
                task_id=problem.task_id,
                sample=0,
                suite=suite,
                source=problem.prompt + problem.canonical_solution,
                entry_point=problem.entry_point,
                tests=tests,
            )
            for problem in task.problems
            for suite, tests in problem.suites.items()
        ]
        groups.append((f"{name}: canonical solutions", programs))
    return groups


def _as_dict(row: Any) -> dict[str, object]:
    return {"name": row.name, "expected": row.expected, "got": row.got, "held": row.held}
