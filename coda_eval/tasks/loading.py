"""Tasks by name, with their problems."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from coda_eval.adapters import ADAPTERS
from coda_eval.assets import asset
from coda_eval.errors import TaskError
from coda_eval.jsonl import LineError, decode_rows, read_content
from coda_eval.records import Problem
from coda_eval.tasks.definition import TaskDefinition, closest, read_definition
from coda_eval.tasks.sources import find_data


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
    """CPU seconds of one program; of one call, where the tests are inputs and outputs."""
    memory_mb: int
    """Of one program."""
    few_shot: tuple[Problem, ...]
    """Examples that a base model is shown."""
    breakdown: tuple[str, ...]
    """Keys of the problems' metadata by which the result is broken down."""
    extract_also: tuple[str, ...]
    """Extractors that are tried beside the protocol's own."""
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


def find_definition(reference: str) -> TaskDefinition:
    """The definition of a task, by name or by the path of its TOML; its data may be missing.

    Raises:
        TaskError: there is no such task, or its definition is damaged.
    """
    if reference.endswith(".toml"):
        return read_definition(Path(reference).expanduser())
    installed = _installed()
    if reference not in installed:
        raise TaskError(
            f"task {reference!r} is unknown; {closest(reference, installed)}choose one of {', '.join(installed)}, "
            "or give the path of a .toml file"
        )
    return read_definition(installed[reference])


def load_task(reference: str, *, data_dir: Path | None = None, limit: int | None = None, download: bool = True) -> Task:
    """The task of that name, or of the TOML at that path, with its problems.

    Args:
        reference: a name, or a path that ends in `.toml`.
        data_dir: where the data are looked for first; `coda_eval.tasks.sources` has the whole order.
        limit: only the first so many problems.
        download: whether to ask the network for data that are not here.

    Raises:
        TaskError: there is no such task, or its definition or data are missing or damaged.
    """
    definition = find_definition(reference)
    source = find_data(definition.name, definition.data, own=definition.directory, data_dir=data_dir, download=download)
    rows, found = _read_rows(definition, source)
    problems = _within(definition, source, rows)
    return Task(
        name=definition.name,
        title=definition.title,
        version=definition.version,
        problems=problems[:limit],
        protocols=definition.protocols,
        default_protocol=definition.default_protocol,
        timeout_s=definition.timeout_s,
        memory_mb=definition.memory_mb,
        few_shot=tuple(_named(definition, source, rows, name) for name in definition.few_shot),
        breakdown=definition.breakdown,
        extract_also=definition.extract_also,
        dataset_sha256=found,
        data_source=source,
        left_out=frozenset(problem.task_id for problem in problems[len(problems[:limit]) :]),
    )


def _installed() -> dict[str, Path]:
    return dict(sorted((path.stem, path) for path in asset("tasks").glob("*.toml")))


def _read_rows(definition: TaskDefinition, source: Path) -> tuple[dict[str, Problem], str]:
    """Every problem of a file by its id, and the file's hash."""
    try:
        content = read_content(source)
    except OSError as error:
        raise TaskError(f"{source}: cannot be read ({error}); fetch it again") from None
    found = hashlib.sha256(content).hexdigest()
    if definition.data.sha256 and found not in definition.data.sha256:
        raise TaskError(
            f"{source}: not the data of task {definition.name}: its sha256 (decompressed) is {found}, expected "
            f"{' or '.join(definition.data.sha256)}; fetch the official file, or mend the task's .toml if the data are "
            "new"
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
    return problems, found


def _within(definition: TaskDefinition, source: Path, rows: dict[str, Problem]) -> tuple[Problem, ...]:
    """The problems of the task: from the first to the last, in the order of the file."""
    ids = list(rows)
    first, last = (
        _named(definition, source, rows, name or default).task_id
        for name, default in ((definition.data.first, ids[0]), (definition.data.last, ids[-1]))
    )
    return tuple(rows[task_id] for task_id in ids[ids.index(first) : ids.index(last) + 1])


def _named(definition: TaskDefinition, source: Path, rows: dict[str, Problem], name: str) -> Problem:
    if name not in rows:
        raise TaskError(f"{source}: has no problem {name!r}, which the .toml of task {definition.name} names")
    return rows[name]
