"""A plan: does a model fit on a topology, how large may a batch be, and how long does HumanEval take at the least."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from coda_eval.config import DEFAULT_MAX_NEW_TOKENS, MeshConfig, SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.plan.compiling import largest
from coda_eval.plan.forwards import Forwards, forwards_of
from coda_eval.plan.hardware import Topology, find_topology
from coda_eval.plan.layout import CalculatedLayout, CompiledLayout, Layout, Memory, Setting, weights_bytes
from coda_eval.plan.roofline import Cost, Forward, cost_of
from coda_eval.plan.subject import Subject, find_subject

PROBLEMS = 164
"""Of HumanEval."""
PROMPT_WIDTH = 448
"""Columns for prompts: HumanEval's longest has 1360 characters, and a chat template stands around it."""
EFFICIENCY = 0.5
"""The share of the roofline that a well-compiled transformer reaches; an assumption, not a measurement."""
_MOST_ROWS = 4096
_ROOM_FOR_WEIGHTS = 0.6
"""Of a chip's memory: a model that takes more is shared out among more chips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked."""

    model: str
    """A published shape's name, or a checkpoint."""
    topology: str
    sampler: SamplerConfig
    largest_batch: bool = False
    """Look for the largest batch that fits, instead of taking the sampler's."""
    dtype: str = "bfloat16"
    attention: str = "auto"
    """As of a `RunConfig`."""
    mesh: MeshConfig | None = None
    """None shares a model out among as few chips as hold it, and the rows among the groups."""
    prompt_width: int = PROMPT_WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer."""

    model: str
    parameters: int
    topology: str
    chips: int
    mesh: MeshConfig
    dtype: str
    batch_size: int
    length: int
    """Columns of a row: prompt and canvas."""
    attention: str | None
    """By which kernel a full forward attends; None where nothing is compiled."""
    memory: Memory
    remedy: str
    """What would make it fit; empty where it does."""
    one_more: Memory | None
    """With a row more on each group of chips, which does not fit; None unless the largest batch was looked for."""
    full: Cost
    """A forward over all columns, of one group of chips that share a model, its head on half of a block of each row."""
    window: Cost | None
    """One over some columns, where there is a cache."""
    compiled_full_flops: float | None
    """Of the layers of a full forward, as the compiler counts them; None where nothing is compiled."""
    forwards: Forwards
    floor_s: float
    """Of HumanEval, one completion a problem: no forward is faster than its roofline."""
    estimated_s: float
    """The same at `EFFICIENCY`."""
    bound: str
    """What most of that time goes to: `compute`, `memory` or `links`."""


def make_plan(question: Question) -> Plan:
    """Answers; for TPUs it compiles the sampler, for GPUs it calculates.

    Raises:
        CodaEvalError: the model, the topology or the mesh do not exist or do not go together, or a library is missing.
    """
    setting = _setting(question)
    layout = CompiledLayout(setting) if setting.topology.chip.is_tpu else CalculatedLayout(setting)
    rows, one_more = question.sampler.batch_size, None
    if question.largest_batch:
        groups = setting.mesh.data
        most = largest(
            lambda each: layout.memory(each * groups).fits,
            start=8,
            guess=lambda: layout.guess() // groups,
            most=_MOST_ROWS,
        )
        rows = max(most, 1) * groups
        if 0 < most < _MOST_ROWS:
            one_more = layout.memory(rows + groups)
    return _answer(setting, layout, rows, one_more)


def _setting(question: Question) -> Setting:
    topology, subject = find_topology(question.topology), find_subject(question.model)
    mesh = question.mesh or _smallest_mesh(subject, topology, question.dtype)
    if topology.chips % mesh.size:
        raise ConfigError(
            f"--mesh {mesh} takes {mesh.size} chips, and {topology.name} has {topology.chips}; "
            "the product must divide that"
        )
    if not question.largest_batch and question.sampler.batch_size % mesh.data:
        raise ConfigError(
            f"--batch-size is {question.sampler.batch_size}, shared out among data={mesh.data} groups of chips; "
            f"it must be a multiple of {mesh.data}"
        )
    new_tokens = question.sampler.max_new_tokens or DEFAULT_MAX_NEW_TOKENS
    return Setting(
        subject=subject,
        topology=topology,
        mesh=mesh,
        dtype=question.dtype,
        attention=question.attention,
        sampler=dataclasses.replace(question.sampler, max_new_tokens=new_tokens),
        prompt_width=question.prompt_width,
    )


def _answer(setting: Setting, layout: Layout, rows: int, one_more: Memory | None) -> Plan:
    config, topology, mesh = setting.subject.config, setting.topology, setting.mesh
    memory = layout.memory(rows)
    forwards = forwards_of(setting.sampler, causal=config.causal, length=setting.length)

    def costs(rows: int) -> tuple[Cost, Cost]:
        """Of a full and of a window forward, with so many rows in all."""
        group = rows // mesh.data
        everything = Forward(
            rows=group,
            columns=setting.length,
            seen=setting.length,
            # A block is filled from all masked to none: on average half of it is.
            candidates=group * (forwards.block + 1) / 2,
            cache="filled" if forwards.window else "none",
        )
        some = dataclasses.replace(everything, columns=forwards.window_columns, cache="used")
        full, window = (
            cost_of(forward, config, topology.chip, mesh=mesh, dtype=setting.dtype) for forward in (everything, some)
        )
        return full, window

    full, window = costs(rows)
    useful_rows = min(rows, -(-PROBLEMS // mesh.data) * mesh.data)
    spent = {"compute": 0.0, "memory": 0.0, "links": 0.0}
    for count, cost in zip((forwards.full, forwards.window), costs(useful_rows), strict=True):
        spent[cost.bound] += count * cost.floor_s
    floor_s = -(-PROBLEMS // useful_rows) * sum(spent.values())
    return Plan(
        model=setting.subject.name,
        parameters=config.num_parameters,
        topology=topology.name,
        chips=topology.chips,
        mesh=mesh,
        dtype=setting.dtype,
        batch_size=rows,
        length=setting.length,
        attention=layout.attention_kernel(),
        memory=memory,
        remedy="" if memory.fits else _remedy(setting, rows),
        one_more=one_more,
        full=full,
        window=window if forwards.window else None,
        compiled_full_flops=layout.full_flops(rows // mesh.data) if memory.fits else None,
        forwards=forwards,
        floor_s=floor_s,
        estimated_s=floor_s / EFFICIENCY,
        bound=max(spent, key=lambda name: spent[name]),
    )


def _smallest_mesh(subject: Subject, topology: Topology, dtype: str) -> MeshConfig:
    """As few chips a model as hold its weights with room for the rest."""
    room, model = _ROOM_FOR_WEIGHTS * topology.chip.memory_bytes, 1
    while model < topology.chips and weights_bytes(subject, model=model, dtype=dtype) > room:
        model *= 2
    return MeshConfig(data=topology.chips // model, model=model)


def _remedy(setting: Setting, rows: int) -> str:
    """What would make it fit, as options."""
    remedies = []
    if rows > setting.mesh.data:
        remedies.append("a smaller --batch-size (`max` finds the largest that fits)")
    if 2 * setting.mesh.model <= setting.topology.chips:
        model = 2 * setting.mesh.model
        remedies.append(f"--mesh {MeshConfig(data=setting.topology.chips // model, model=model)}")
    if setting.dtype != "int8":
        remedies.append(f"--dtype {'bfloat16' if setting.dtype == 'float32' else 'int8'}")
    remedies.append("a topology of more or of larger chips")
    return ", ".join(remedies)
