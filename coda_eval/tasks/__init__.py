"""Tasks: a benchmark's definition (one TOML) and its problems (a file of JSON lines)."""

from coda_eval.tasks.definition import DataSource, TaskDefinition
from coda_eval.tasks.loading import Task, list_tasks, load_task

__all__ = ["DataSource", "Task", "TaskDefinition", "list_tasks", "load_task"]
