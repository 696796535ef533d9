"""Whether the canonical solutions pass in this very sandbox: the ceiling of every score made in it.

The answer is kept in the user's cache, by the data, the sandbox and its limits, so that it is found once a machine.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from coda_eval.config import ExecutionConfig
from coda_eval.execution import Executor
from coda_eval.execution.check import CheckRow, check_canonical
from coda_eval.run.reading import canonical_programs
from coda_eval.store import fingerprint
from coda_eval.tasks import Task
from coda_eval.tasks.sources import cache_directory


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What became of the canonical solutions of a task."""

    passed: int
    of: int
    failed: tuple[str, ...]
    """Ids of the problems whose canonical solution does not pass."""

    @property
    def complaint(self) -> str:
        """What a user should know; empty where all pass."""
        if not self.failed:
            return ""
        return (
            f"warning: {self.of - self.passed} of {self.of} canonical solutions do not pass in this sandbox "
            f"({', '.join(self.failed[:5])}): no model can score more than {self.passed} of {self.of} here; "
            "`coda-eval sandbox check` says why"
        )


def check_task(task: Task, executor: Executor) -> tuple[list[CheckRow], GroundTruth]:
    """Runs the canonical solutions of a task. The executor must have been entered."""
    rows = list(check_canonical(executor, canonical_programs(task)))
    failed = tuple(dict.fromkeys(row.name for row in rows if not row.held))
    return rows, GroundTruth(len(task.problems) - len(failed), len(task.problems), failed)


def ground_truth(task: Task, executor: Executor, config: ExecutionConfig) -> GroundTruth:
    """What is known of a task's canonical solutions in this sandbox; where nothing is, they are run."""
    path = _place(task, executor, config)
    try:
        document = json.loads(path.read_bytes())
        return GroundTruth(document["passed"], document["of"], tuple(document["failed"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    _, found = check_task(task, executor)
    keep_ground_truth(found, task, executor, config)
    return found


def keep_ground_truth(found: GroundTruth, task: Task, executor: Executor, config: ExecutionConfig) -> None:
    """Writes down what was found; where the cache cannot be written, it is found again the next time."""
    path = _place(task, executor, config)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"task": task.name, **asdict(found)}))
        temporary.replace(path)
    except OSError:
        pass


def _place(task: Task, executor: Executor, config: ExecutionConfig) -> Path:
    key = {
        "task": task.name,
        "version": task.version,
        "dataset_sha256": task.dataset_sha256,
        "problems": len(task.problems),
        "sandbox": executor.describe(),
        "timeout_s": config.timeout_s,
        "memory_mb": config.memory_mb,
    }
    return cache_directory() / "coda-eval" / "ground_truth" / f"{fingerprint(key)[:32]}.json"
