"""Options that several verbs share, spelled the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from coda_eval.config import ALGORITHMS, DTYPES, EXECUTORS, ExecutionConfig, SamplerConfig
from coda_eval.errors import ConfigError

Command = TypeVar("Command", bound=Callable[..., Any])
_SAMPLER = SamplerConfig()
_EXECUTION = ExecutionConfig()


class Steps(click.ParamType[int | None]):
    """A whole number, or `max`."""

    name = "N|max"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """None stands for `max`."""
        if value in (None, "max"):
            return None
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor `max`", param, ctx)


def group(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, shown in the order given."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


sampler_options = group(
    click.option(
        "--steps", type=Steps(), default="max", show_default=True, help="Denoising steps; `max`: one a token."
    ),
    click.option("--max-new-tokens", type=int, help="Length of the canvas.  [default: the model's, or 256]"),
    click.option(
        "--algorithm",
        type=click.Choice(ALGORITHMS),
        help="How positions are chosen.  [default: entropy; autoregressive for causal models]",
    ),
    click.option("--temperature", type=float, default=_SAMPLER.temperature, show_default=True, help="0 is greedy."),
    click.option("--top-p", type=float, default=_SAMPLER.top_p, show_default=True, help="Nucleus of the draw."),
    click.option("--top-k", type=int, default=_SAMPLER.top_k, show_default=True, help="0 keeps every token."),
    click.option(
        "--alg-temp", type=float, default=_SAMPLER.alg_temp, show_default=True, help="Noise in the choice of positions."
    ),
    click.option("--seed", type=int, default=_SAMPLER.seed, show_default=True, help="Decides every draw."),
    click.option(
        "--batch-size", type=int, default=_SAMPLER.batch_size, show_default=True, help="Completions decoded together."
    ),
    click.option("--dtype", type=click.Choice(DTYPES), default=DTYPES[0], show_default=True, help="Of the weights."),
)

execution_options = group(
    click.option("--executor", type=click.Choice(EXECUTORS), help="Where programs run.  [default: docker]"),
    click.option("--timeout-s", type=float, help="CPU seconds a program.  [default: the task's]"),
    click.option("--memory-mb", type=int, default=_EXECUTION.memory_mb, show_default=True, help="Memory a program."),
    click.option("--workers", type=int, help="Sandboxes.  [default: one a CPU]"),
)

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where official data files lie.  [default: $CODA_EVAL_DATA]",
)
limit_option = click.option("--limit", type=int, help="Only the first so many problems.")
protocol_option = click.option("--protocol", help="How the task is asked and read.  [default: the task's]")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


def execution_config(
    *,
    task: str,
    data_dir: Path | None,
    executor: str | None,
    timeout_s: float | None,
    memory_mb: int,
    workers: int | None,
) -> ExecutionConfig:
    """The execution options, with the task's own time limit where none is given."""
    from coda_eval.tasks import load_task

    return ExecutionConfig(
        executor=executor or _EXECUTION.executor,
        timeout_s=load_task(task, data_dir=data_dir).timeout_s if timeout_s is None else timeout_s,
        memory_mb=memory_mb,
        workers=workers,
    )


def positive_limit(limit: int | None) -> int | None:
    """Raises for a limit below 1."""
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit is {limit}; it must be at least 1")
    return limit
