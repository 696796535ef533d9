"""Options that several verbs share, spelled the same everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from coda_eval.config import (
    ALGORITHMS,
    ATTENTION,
    CACHES,
    DTYPES,
    END_OF_TEXT,
    EXECUTORS,
    REFERENCES,
    EndpointConfig,
    ExecutionConfig,
    MeshConfig,
    SamplerConfig,
)
from coda_eval.presets import PRESETS, preset_settings

Command = TypeVar("Command", bound=Callable[..., Any])
_SAMPLER = SamplerConfig()
_EXECUTION = ExecutionConfig()
_ENDPOINT = EndpointConfig()


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


class Mesh(click.ParamType[MeshConfig | None]):
    """`data=4,model=2`."""

    name = "data=N,model=M"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> MeshConfig | None:
        """Raises a ConfigError where it is of another form."""
        return value if value is None or isinstance(value, MeshConfig) else MeshConfig.parse(value)


class BatchSize(click.ParamType[int | str]):
    """A whole number, or `max`."""

    name = "N|max"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """`max` stays."""
        try:
            return "max" if value == "max" else int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor `max`", param, ctx)


def group(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, shown in the order given."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


decoding_options = group(
    click.option(
        "--preset", type=click.Choice(tuple(PRESETS)), help="Settings by name; options given beside it go before it."
    ),
    click.option(
        "--steps", type=Steps(), default="max", show_default=True, help="Denoising steps; `max`: one a token."
    ),
    click.option("--max-new-tokens", type=int, help="Length of the canvas.  [default: the model's, or 256]"),
    click.option(
        "--algorithm",
        type=click.Choice(ALGORITHMS),
        help="How positions are chosen.  [default: entropy; autoregressive for causal models]",
    ),
    click.option("--block-length", type=int, help="Fill the canvas block by block.  [default: one block]"),
    click.option("--threshold", type=float, help="Commit whatever the model is so sure of; 0.9, say."),
    click.option("--factor", type=float, help="Commit n tokens while (n + 1)(1 - confidence) is below; 1.0, say."),
    click.option("--entropy-bound", type=float, help="Commit tokens while their entropies add up to less; 0.1, say."),
    click.option(
        "--join-at", type=float, help="Fill several blocks at once: one joins when this share of the last is done."
    ),
    click.option(
        "--lead-at",
        type=float,
        default=_SAMPLER.lead_at,
        show_default=True,
        help="Such a block gets a token a step from when this share of the last is done.",
    ),
    click.option(
        "--cache",
        type=click.Choice(CACHES),
        help="Which keys and values a forward takes from earlier ones.  [default: none; prefix for causal models]",
    ),
    click.option(
        "--refresh-every", type=int, default=_SAMPLER.refresh_every, show_default=True, help="For --cache every-n."
    ),
    click.option(
        "--vicinity", type=int, default=_SAMPLER.vicinity, show_default=True, help="For --cache vicinity: columns."
    ),
    click.option(
        "--end-of-text",
        type=click.Choice(END_OF_TEXT),
        default=_SAMPLER.end_of_text,
        show_default=True,
        help="`forbid` padding as text, or commit stop tokens `last` (LLaDA).",
    ),
    click.option("--reference", type=click.Choice(REFERENCES), help="Reproduce the faults of a reference sampler."),
    click.option("--temperature", type=float, default=_SAMPLER.temperature, show_default=True, help="0 is greedy."),
    click.option("--top-p", type=float, default=_SAMPLER.top_p, show_default=True, help="Nucleus of the draw."),
    click.option("--top-k", type=int, default=_SAMPLER.top_k, show_default=True, help="0 keeps every token."),
    click.option(
        "--alg-temp", type=float, default=_SAMPLER.alg_temp, show_default=True, help="Noise in the choice of positions."
    ),
    click.option("--seed", type=int, default=_SAMPLER.seed, show_default=True, help="Decides every draw."),
)

sampler_options = group(
    decoding_options,
    click.option(
        "--batch-size",
        type=int,
        default=_SAMPLER.batch_size,
        show_default=True,
        help="Completions decoded together; requests to an endpoint at once.",
    ),
    click.option("--dtype", type=click.Choice(DTYPES), default=DTYPES[0], show_default=True, help="Of the weights."),
    click.option(
        "--mesh", type=Mesh(), default=MeshConfig(), help="How devices share the work: data=4,model=2.  [default: one]"
    ),
)

execution_options = group(
    click.option("--executor", type=click.Choice(EXECUTORS), help="Where programs run.  [default: docker]"),
    click.option("--timeout-s", type=float, help="CPU seconds a program.  [default: the task's]"),
    click.option("--memory-mb", type=int, help="Memory a program.  [default: the task's]"),
    click.option("--workers", type=int, help="Sandboxes.  [default: one a CPU]"),
    click.option("--runtime", help="Container runtime, e.g. runsc.  [default: the engine's]"),
)

endpoint_options = group(
    click.option(
        "--endpoint-timeout-s",
        type=float,
        default=_ENDPOINT.timeout_s,
        show_default=True,
        help="Seconds without an answer before a request is repeated.",
    ),
    click.option(
        "--endpoint-retries",
        type=int,
        default=_ENDPOINT.retries,
        show_default=True,
        help="Of a request that is refused or lost, with growing pauses.",
    ),
)

attention_option = click.option(
    "--attention",
    type=click.Choice(ATTENTION),
    default=ATTENTION[0],
    show_default=True,
    help="`auto`: a kernel for the device where one applies; `xla`: as the compiler makes it.",
)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where official data files lie.  [default: $CODA_EVAL_DATA]",
)
limit_option = click.option("--limit", type=int, help="Only the first so many problems.")
protocol_option = click.option("--protocol", help="How the task is asked and read.  [default: the task's]")
also_extract_option = click.option(
    "--also-extract",
    help="Extractors with commas between: how many verdicts would they change?  [default: the task's]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


def sampler_config(given: Mapping[str, Any]) -> SamplerConfig:
    """The sampler options of the command that is running: those given, then the preset's, then the defaults."""
    fields = {field.name for field in dataclasses.fields(SamplerConfig)} & given.keys()
    settings = {name: given[name] for name in fields}
    if given["preset"] is not None:
        context = click.get_current_context()
        explicit = {name for name in fields if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
        settings |= {k: v for k, v in preset_settings(given["preset"]).items() if k not in explicit}
    return SamplerConfig(**settings)


def execution_config(
    *,
    task: str,
    protocol: str | None,
    executor: str | None,
    timeout_s: float | None,
    memory_mb: int | None,
    workers: int | None,
    runtime: str | None,
) -> ExecutionConfig:
    """The execution options; limits that are not given are the protocol's, or else the task's."""
    from coda_eval.protocols import find_protocol
    from coda_eval.tasks import find_definition

    definition = find_definition(task)
    if timeout_s is None:
        timeout_s = find_protocol(protocol or definition.default_protocol).timeout_s or definition.timeout_s
    return ExecutionConfig(
        executor=executor or _EXECUTION.executor,
        timeout_s=timeout_s,
        memory_mb=definition.memory_mb if memory_mb is None else memory_mb,
        workers=workers,
        runtime=runtime,
    )


def extractor_names(given: str | None) -> tuple[str, ...] | None:
    """Names with commas between; None where the option is not given."""
    return None if given is None else tuple(name.strip() for name in given.split(",") if name.strip())
