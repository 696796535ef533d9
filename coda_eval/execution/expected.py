"""The expected outputs of input/output tests: computed in the sandbox once, then found on disk.

An entry is named after everything that decides it: the reference program, the inputs, the rule, the versions of Python
and numpy in the sandbox. What lies there decides verdicts: it is as trusted as the data of the benchmark.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from coda_eval.execution.payload import Answers, Payload

_VERSION = 2
"""Rises when the encoding of answers changes."""

_LIMIT_BYTES = 256 << 20
"""All entries together; HumanEval+ and MBPP+ take about 3 MB."""


class ExpectedOutputs:
    """The entries of one directory."""

    def __init__(self, directory: Path | None = None) -> None:
        """The user's cache directory, where none is given."""
        self._directory = directory or _cache_directory()
        self._trimmed = False

    def name(self, reference: str, payload: Payload, runner: Mapping[str, object]) -> str:
        """What the answers of `reference` to `payload` are called."""
        parts = (str(_VERSION), reference, payload.name, str(runner.get("python")), str(runner.get("numpy")))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def read(self, name: str) -> Answers | None:
        """The entry, or None where there is none that can be read."""
        path = self._path(name)
        try:
            answers = Answers(**json.loads(gzip.decompress(path.read_bytes())))
            os.utime(path)  # used just now: among the last to be removed
        except (OSError, EOFError, ValueError, TypeError):
            return None
        return answers

    def write(self, name: str, answers: Answers) -> None:
        """Keep an entry. A disk that is full, or not ours to write, costs the next run time and nothing else."""
        text = json.dumps({"expected": answers.expected, "slowest_s": answers.slowest_s, "cpu_s": answers.cpu_s})
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._directory, prefix=".new-", delete=False) as file:
                try:
                    file.write(gzip.compress(text.encode(), compresslevel=3))
                    file.flush()
                    Path(file.name).replace(self._path(name))
                except OSError:
                    Path(file.name).unlink(missing_ok=True)
            if not self._trimmed:
                self._trimmed = True
                self._trim()

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json.gz"

    def _trim(self) -> None:
        entries = [(path.stat(), path) for path in self._directory.iterdir()]
        total = sum(stat.st_size for stat, _ in entries)
        for stat, path in sorted(entries, key=lambda entry: entry[0].st_mtime):
            if total <= _LIMIT_BYTES:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size


def _cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coda-eval" / "expected"
