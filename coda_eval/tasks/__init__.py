"""Tasks: a benchmark's definition (one TOML) and its problems (a file of JSON lines).

definition   what a TOML says, checked
sources      where the data are found
loading      tasks by name, with their problems
"""

from coda_eval.tasks.definition import TaskDefinition
from coda_eval.tasks.loading import Task, find_definition, list_tasks, load_task

__all__ = ["Task", "TaskDefinition", "find_definition", "list_tasks", "load_task"]
