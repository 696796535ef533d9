"""What a task's TOML says, checked."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coda_eval.adapters import ADAPTERS
from coda_eval.errors import TaskError


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Where a task's data are found, and how they are known to be the right ones: the table `[data]`."""

    file: str
    """The official file name; whether it is compressed, its content says."""
    sha256: str
    """Of the content, decompressed: compressing it again changes nothing."""
    distribution: str | None = None
    """The package that carries the file, as pip calls it."""
    package: str | None = None
    """The same package, as it is imported."""
    package_file: str | None = None
    """The file, from the package's directory."""


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
    """CPU seconds of one program."""
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
    definition = TaskDefinition(
        name=reader.take(document, "name", str),
        title=reader.take(document, "title", str),
        version=reader.take(document, "version", int),
        adapter=reader.take(document, "adapter", str),
        protocols=tuple(map(str, reader.take(document, "protocols", list))),
        default_protocol=reader.take(document, "default_protocol", str),
        timeout_s=float(reader.take(document, "timeout_s", int, float)),
        data=DataSource(
            file=reader.take(data, "file", str),
            sha256=reader.take(data, "sha256", str),
            distribution=reader.take(data, "distribution", str, default=None),
            package=reader.take(data, "package", str, default=None),
            package_file=reader.take(data, "package_file", str, default=None),
        ),
        directory=path.parent,
    )
    reader.refuse_rest(document, TaskDefinition.__slots__)
    reader.refuse_rest(data, DataSource.__slots__)
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

    def refuse_rest(self, table: dict[str, Any], known: Iterable[str]) -> None:
        """Complains of the first key that nothing took."""
        for key in table:
            raise TaskError(f"{self._path}: `{key}` is unknown; {closest(key, known)}remove it")
