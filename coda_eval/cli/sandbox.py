"""`sandbox build` and `sandbox check`, and what the embedded default runs its programs in."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coda_eval.cli.options import data_dir_option, json_option
from coda_eval.config import EXECUTORS, ExecutionConfig
from coda_eval.errors import EngineUnavailable, ImageMissing, SandboxError

if TYPE_CHECKING:
    from coda_eval.tasks import Task


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
    """Run every canonical solution and a list of hostile programs; exit 1 if one of them is not held.

    What became of the canonical solutions is remembered: the manifest of a run in this sandbox says it.
    """
    from rich.console import Console
    from rich.table import Table

    from coda_eval.execution import open_executor
    from coda_eval.execution.check import CheckRow, check_hostile
    from coda_eval.execution.hostile import hostile_programs
    from coda_eval.run.ground_truth import check_task, keep_ground_truth

    groups: list[tuple[str, list[CheckRow]]] = []
    ceilings: dict[str, object] = {}
    for task in _tasks_to_check(names, data_dir):
        # One executor a task, because limits are the task's.
        config = ExecutionConfig(executor=executor, timeout_s=task.timeout_s, memory_mb=task.memory_mb)
        with open_executor(config) as opened:
            rows, found = check_task(task, opened)
            keep_ground_truth(found, task, opened, config)
        groups.append((f"{task.name}: canonical solutions", rows))
        ceilings[task.name] = {"passed": found.passed, "of": found.of, "failed": found.failed}
        if not as_json:
            click.echo(f"{task.name}: {found.passed} of {found.of} canonical solutions pass")
    with open_executor(ExecutionConfig(executor=executor)) as opened:
        groups.append(("hostile programs", list(check_hostile(opened, hostile_programs()))))
        description = opened.describe()
    held = all(row.held for _, rows in groups for row in rows)
    if as_json:
        listed = [{"group": title, **_as_dict(row)} for title, rows in groups for row in rows]
        click.echo(json.dumps({"held": held, "sandbox": description, "ground_truth": ceilings, "rows": listed}))
    else:
        console = Console(highlight=False)
        console.print(f"hostile programs: {sum(row.held for row in groups[-1][1])} of {len(groups[-1][1])} held")
        console.print(", ".join(f"{key} {value}" for key, value in description.items()))
        if failures := [row for _, rows in groups for row in rows if not row.held]:
            table = Table("program", "expected", "got")
            for row in failures:
                table.add_row(row.name, row.expected, row.got)
            console.print(table)
    sys.exit(0 if held else 1)


def _tasks_to_check(names: str, data_dir: Path | None) -> Iterator[Task]:
    """The named tasks. For `installed` those whose data are here; `all` asks the network for the rest."""
    from coda_eval.errors import TaskError
    from coda_eval.tasks import list_tasks, load_task

    everything = [definition.name for definition in list_tasks()]
    wanted = everything if names in ("all", "installed") else [name.strip() for name in names.split(",")]
    for name in wanted:
        try:
            yield load_task(name, data_dir=data_dir, download=names != "installed")
        except TaskError as error:
            if names not in ("all", "installed"):
                raise
            click.echo(f"not checked: {error}", err=True)


@sandbox.command()
@json_option
def clean(as_json: bool) -> None:
    """Remove containers whose run is gone, and sandbox images of other versions, those of other checkouts included.

    `sandbox build` makes an image again.
    """
    from coda_eval.execution.engine import connect, remove_abandoned
    from coda_eval.execution.image import remove_stale_images

    with contextlib.closing(connect()) as client:
        removed = {"containers": remove_abandoned(client), "images": remove_stale_images(client, keep=0)}
    click.echo(
        json.dumps(removed) if as_json else f"removed {removed['containers']} containers, {removed['images']} images"
    )


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


def _as_dict(row: Any) -> dict[str, object]:
    return {"name": row.name, "expected": row.expected, "got": row.got, "held": row.held}
