"""Where the data of a task are found: named directories, caches, installed packages, and then the network.

In this order: `--data-dir`, the directory that `CODA_EVAL_DATA` names, the TOML's own, our cache, the cache of
evalplus, the installed package, the Hugging Face hub, evalplus' own loader. What the hub gives is kept in our cache, so
that the next run needs no network.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coda_eval.errors import TaskError
from coda_eval.jsonl import encode_row

DATA_VARIABLE = "CODA_EVAL_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """A dataset of the Hugging Face hub: the table `[data.hub]`."""

    path: str
    name: str
    """The configuration."""
    splits: tuple[str, ...]
    """Put one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Where a task's data are found, and how they are known to be the right ones: the table `[data]`."""

    file: str
    """The official file name; whether it is compressed, its content says."""
    sha256: tuple[str, ...]
    """Of the content, decompressed: compressing it again changes nothing. Several where the same rows are published
    in several spellings; empty where none is known, and then every content is taken."""
    first: str | None = None
    """The task_id of the first row that belongs to the task; None for all."""
    last: str | None = None
    distribution: str | None = None
    """The package that carries the file, as pip calls it."""
    package: str | None = None
    """The same package, as it is imported."""
    package_file: str | None = None
    """The file, from the package's directory."""
    evalplus: str | None = None
    """`humaneval` or `mbpp`, where evalplus' loader can fetch the file."""
    hub: HubSource | None = None


def find_data(task: str, data: DataSource, *, own: Path, data_dir: Path | None, download: bool) -> Path:
    """The file with a task's data.

    Args:
        task: its name, for the message.
        data: what is looked for.
        own: the directory of the task's TOML.
        data_dir: looked into first.
        download: whether to ask the network where nothing is here.

    Raises:
        TaskError: a named directory is none, or the data are nowhere; the message says how to get them.
    """
    named = {"--data-dir": data_dir, DATA_VARIABLE: _directory_from_environment()}
    directories = [(origin, directory) for origin, directory in named.items() if directory is not None]
    for origin, directory in directories:
        if not directory.is_dir():
            raise TaskError(
                f"{origin} is {str(directory)!r}, which is no directory; name one that holds the data files"
            )
    here = [*(directory for _, directory in directories), own, cache_directory() / "coda-eval"]
    names = (data.file, data.file.removesuffix(".gz"))
    for path in (
        *(directory / name for directory in here for name in names),
        *_evalplus_files(data),
        *_package_files(data),
    ):
        if path.is_file():
            return path
    reason = ""
    if download and (data.hub or data.evalplus):
        try:
            return _from_hub(data.hub, data.file) if data.hub else _from_evalplus(data)
        except Exception as error:  # whatever the network and two libraries raise
            reason = f" ({_first_line(error)})"
    raise TaskError(
        f"task {task}: its data file {data.file} is not here{reason}; put it in a directory and name that with "
        f"--data-dir or {DATA_VARIABLE}{_other_way(data)}"
    )


def cache_directory() -> Path:
    """The user's cache directory, as freedesktop.org has it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _other_way(data: DataSource) -> str:
    if data.distribution:
        return f", or `pip install {data.distribution}`, which carries it"
    if data.hub:
        return f", or run once with a network: it is {data.hub.path} on the Hugging Face hub"
    if data.evalplus:
        return ", or run once with a network: evalplus fetches it"
    return ""


def _directory_from_environment() -> Path | None:
    value = os.environ.get(DATA_VARIABLE)
    return Path(value) if value else None


def _package_files(data: DataSource) -> Iterator[Path]:
    if data.package is None or data.package_file is None:
        return
    spec = importlib.util.find_spec(data.package)  # finds a top-level package without importing it
    for directory in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(directory) / data.package_file


def _evalplus_files(data: DataSource) -> Iterator[Path]:
    """Where evalplus keeps what it fetched (evalplus data/utils.py), decompressed."""
    if data.evalplus is not None:
        yield cache_directory() / "evalplus" / data.file.removesuffix(".gz")


def _from_evalplus(data: DataSource) -> Path:
    import contextlib
    import sys

    with contextlib.redirect_stdout(sys.stderr):  # it prints what it does, and our stdout is for data
        from evalplus.data import get_human_eval_plus, get_mbpp_plus

        {"humaneval": get_human_eval_plus, "mbpp": get_mbpp_plus}[data.evalplus or ""]()
    (path,) = _evalplus_files(data)
    return path


def _from_hub(hub: HubSource, file: str) -> Path:
    import socket
    from urllib.parse import urlparse

    from datasets import load_dataset
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    if not HF_HUB_OFFLINE:  # a name that does not resolve would be tried six times, in half a minute
        socket.getaddrinfo(urlparse(ENDPOINT).hostname, None)
    path = cache_directory() / "coda-eval" / file.removesuffix(".gz")
    rows = [row for split in hub.splits for row in load_dataset(hub.path, hub.name, split=split)]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(b"".join(map(encode_row, rows)))
    return temporary.replace(path)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
