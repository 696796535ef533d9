"""What several runs share: the loaded models, and the sandboxes, which judge equal programs once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from coda_eval.config import ExecutionConfig, MeshConfig
from coda_eval.execution import Executor, open_executor
from coda_eval.tasks import Task, load_task

if TYPE_CHECKING:
    from coda_eval.run.device import DeviceModel


class ModelShelf:
    """Models by reference, precision, mesh and attention, each loaded once."""

    def __init__(self, *, keep_all: bool = True) -> None:
        """`keep_all`: else a model leaves the device when another one is asked for."""
        self._keep_all = keep_all
        self._models: dict[tuple[str, str, MeshConfig, str], DeviceModel] = {}

    def load(self, reference: str, *, dtype: str, mesh: MeshConfig, attention: str) -> DeviceModel:
        """The model, loaded now or before.

        Raises:
            CheckpointError: there is none, or it cannot be used.
        """
        # Here and not above: a run against an endpoint needs no JAX.
        from coda_eval.run.device import DeviceModel, forget_compiled

        key = (reference, dtype, mesh, attention)
        if key not in self._models:
            if not self._keep_all and self._models:
                self._models.clear()
                forget_compiled()
            self._models[key] = DeviceModel(reference, dtype=dtype, mesh=mesh, attention=attention)
        return self._models[key]


@dataclass(slots=True)
class Workbench:
    """Handed from run to run. All of them have the same execution settings."""

    executor: Executor
    """Entered."""
    models: ModelShelf
    """The models on this machine's device."""
    _tasks: dict[tuple[str, Path | None], Task] = field(default_factory=dict)

    def task(self, reference: str, *, data_dir: Path | None) -> Task:
        """The task, read now or before: the inputs of EvalPlus take a while."""
        if (reference, data_dir) not in self._tasks:
            self._tasks[reference, data_dir] = load_task(reference, data_dir=data_dir)
        return self._tasks[reference, data_dir]


@contextlib.contextmanager
def open_workbench(execution: ExecutionConfig, *, models: ModelShelf | None = None) -> Iterator[Workbench]:
    """Starts the sandboxes.

    Args:
        execution: where programs run.
        models: those that are loaded already; they stay when the workbench is closed.

    Raises:
        SandboxError: they do not start.
    """
    with open_executor(execution) as executor:
        yield Workbench(executor, models or ModelShelf())
