"""What a task's TOML says, checked."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coda_eval.adapters import ADAPTERS
from coda_eval.config import DEFAULT_MEMORY_MB
from coda_eval.errors import TaskError
from coda_eval.tasks.sources import DataSource, HubSource


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """A benchmark without its problems."""

    name: str
    title: str
    version: int
    """Rises when the data, the prompts or the checks change."""
    adapter: str
    """A name in `coda_eval.adapters.ADAPTERS`: the form of a row."""
    protocols: tuple[str, ...]
    """By name, all that the task can be run under."""
    default_protocol: str
    timeout_s: float
    """CPU seconds of one program; of one call, where the tests are inputs and outputs."""
    memory_mb: int
    """Of one program."""
    few_shot: tuple[str, ...]
    """The task_ids of the examples that a base model is shown; they may lie outside the task."""
    breakdown: tuple[str, ...]
    """Keys of the problems' metadata by which the result is broken down."""
    extract_also: tuple[str, ...]
    """Extractors that are tried beside the protocol's own."""
    data: DataSource
    directory: Path
    """Of the TOML; the data may lie in it."""


def read_definition(path: Path) -> TaskDefinition:
    """The definition in this file.

    Raises:
        TaskError: it cannot be read, or a key is missing, unknown, or of the wrong kind.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TaskError(f"{path}: there is no such file; name a task, or the path of its .toml file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TaskError(f"{path}: cannot be read as a task ({error})") from None
    reader = _Reader(path)
    data = reader.take(document, "data", dict)
    hub = reader.take(data, "hub", dict, default=None)
    definition = TaskDefinition(
        name=reader.take(document, "name", str),
        title=reader.take(document, "title", str),
        version=reader.take(document, "version", int),
        adapter=reader.take(document, "adapter", str),
        protocols=reader.take_names(document, "protocols"),
        default_protocol=reader.take(document, "default_protocol", str),
        timeout_s=float(reader.take(document, "timeout_s", int, float)),
        memory_mb=reader.take(document, "memory_mb", int, default=DEFAULT_MEMORY_MB),
        few_shot=reader.take_names(document, "few_shot", default=()),
        breakdown=reader.take_names(document, "breakdown", default=()),
        extract_also=reader.take_names(document, "extract_also", default=()),
        data=DataSource(
            file=reader.take(data, "file", str),
            sha256=reader.take_names(data, "sha256"),
            first=reader.take(data, "first", str, default=None),
            last=reader.take(data, "last", str, default=None),
            distribution=reader.take(data, "distribution", str, default=None),
            package=reader.take(data, "package", str, default=None),
            package_file=reader.take(data, "package_file", str, default=None),
            evalplus=reader.take(data, "evalplus", str, default=None),
            hub=None
            if hub is None
            else HubSource(
                path=reader.take(hub, "path", str),
                name=reader.take(hub, "name", str),
                splits=reader.take_names(hub, "splits"),
            ),
        ),
        directory=path.parent,
    )
    reader.refuse_rest(document, TaskDefinition.__slots__)
    reader.refuse_rest(data, DataSource.__slots__)
    reader.refuse_rest(hub or {}, HubSource.__slots__)
    reader.require(
        definition.adapter in ADAPTERS, f"adapter is {definition.adapter!r}; known are {', '.join(ADAPTERS)}"
    )
    reader.require(
        definition.default_protocol in definition.protocols,
        f"default_protocol is {definition.default_protocol!r}; protocols has {', '.join(definition.protocols)}",
    )
    reader.require(definition.timeout_s > 0, f"timeout_s is {definition.timeout_s}; it must be above 0")
    return definition


def closest(word: str, known: Iterable[str]) -> str:
    """`did you mean X? `, or nothing where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}? " if close else ""


REQUIRED = object()


class _Reader:
    """Takes keys out of the tables of one file, and complains in that file's name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def require(self, condition: bool, message: str) -> None:
        if not condition:
            raise TaskError(f"{self._path}: {message}")

    def take(self, table: dict[str, Any], key: str, *kinds: type, default: object = REQUIRED) -> Any:
        """Removes a key and returns its value; the default where it is missing."""
        value = table.pop(key, default)
        if value is default and default is not REQUIRED:
            return value
        names = " or ".join(kind.__name__ for kind in kinds)
        self.require(value is not REQUIRED, f"`{key}` is missing; expected {names}")
        # A boolean is an int in Python, and nothing here is one.
        self.require(
            isinstance(value, kinds) and not isinstance(value, bool), f"`{key}` is {value!r}; expected {names}"
        )
        return value

    def take_names(self, table: dict[str, Any], key: str, *, default: object = REQUIRED) -> tuple[str, ...]:
        """Removes a key whose value is a string or a list of strings."""
        value = self.take(table, key, str, list, default=default)
        names = (value,) if isinstance(value, str) else tuple(value)
        self.require(all(isinstance(name, str) for name in names), f"`{key}` is {value!r}; expected strings")
        return names

    def refuse_rest(self, table: dict[str, Any], known: Iterable[str]) -> None:
        """Complains of the first key that nothing took."""
        for key in table:
            raise TaskError(f"{self._path}: `{key}` is unknown; {closest(key, known)}remove it")
