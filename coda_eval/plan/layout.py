"""How the memory of a chip is filled: as the TPU compiler says, or by arithmetic."""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from coda_eval.config import MeshConfig, SamplerConfig
from coda_eval.models.attention_kernels import platform_of
from coda_eval.models.checkpoint import CheckpointModel
from coda_eval.models.sharding import make_mesh, sharding_rule
from coda_eval.plan.compiling import DoesNotFit, compile_for, flops_of, footprint_of, tpu_devices
from coda_eval.plan.hardware import Topology
from coda_eval.plan.roofline import cache_bytes, temporaries_estimate
from coda_eval.plan.subject import Subject
from coda_eval.samplers.sampler import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A model as it would run."""

    subject: Subject
    topology: Topology
    mesh: MeshConfig
    dtype: str
    attention: str
    sampler: SamplerConfig
    """Its `max_new_tokens` is decided."""
    prompt_width: int

    @property
    def length(self) -> int:
        """Columns of a row."""
        assert self.sampler.max_new_tokens is not None
        return self.prompt_width + self.sampler.max_new_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes of one chip."""

    weights: int
    cache: int
    other_arguments: int
    """Tokens, positions, counters."""
    temporaries: int
    program: int
    available: int
    fits: bool
    estimated: bool
    """By arithmetic; else the compiler says it all."""

    @property
    def total(self) -> int:
        """What is needed."""
        return self.weights + self.cache + self.other_arguments + self.temporaries + self.program


class Layout(abc.ABC):
    """The memory of a chip for any number of rows."""

    def __init__(self, setting: Setting) -> None:
        """Nothing is compiled yet."""
        self.setting = setting
        self._memory: dict[int, Memory] = {}

    def memory(self, rows: int) -> Memory:
        """With so many rows in all, a multiple of the groups of chips."""
        if rows not in self._memory:
            self._memory[rows] = self._fill(rows)
        return self._memory[rows]

    def guess(self) -> int:
        """The rows that should fit, from what was filled so far: memory is nearly a straight line in them."""
        known = sorted((rows, memory.total) for rows, memory in self._memory.items())
        (few, least), (many, most) = ((0, self.weights) if len(known) == 1 else known[0]), known[-1]
        available = min(memory.available for memory in self._memory.values())
        slope = max((most - least) / (many - few), 1.0)
        return int(few + (available - least) / slope)

    @property
    def weights(self) -> int:
        """Bytes of them on a chip."""
        setting = self.setting
        return weights_bytes(setting.subject, model=setting.mesh.model, dtype=setting.dtype)

    def cache(self, rows: int) -> int:
        """Bytes of keys and values on a chip."""
        setting, config = self.setting, self.setting.subject.config
        if (setting.sampler.cache or ("prefix" if config.causal else "none")) == "none":
            return 0
        whole = cache_bytes(config, rows=rows // setting.mesh.data, length=setting.length, dtype=setting.dtype)
        return int(whole / (setting.mesh.model if config.num_kv_heads % setting.mesh.model == 0 else 1))

    @abc.abstractmethod
    def _fill(self, rows: int) -> Memory: ...

    @abc.abstractmethod
    def attention_kernel(self) -> str | None:
        """By which a full forward attends; None where nothing is compiled."""

    @abc.abstractmethod
    def full_flops(self, rows: int) -> float | None:
        """Of the layers in a full forward of one group of chips, as a compiler counts; None without one."""


class CalculatedLayout(Layout):
    """By arithmetic alone."""

    def _fill(self, rows: int) -> Memory:
        setting = self.setting
        temporaries = temporaries_estimate(
            setting.subject.config,
            rows=rows // setting.mesh.data,
            length=setting.length,
            mesh=setting.mesh,
            dtype=setting.dtype,
        )
        weights, cache, available = self.weights, self.cache(rows), int(setting.topology.chip.memory_bytes)
        return Memory(
            weights=weights,
            cache=cache,
            other_arguments=0,
            temporaries=int(temporaries),
            program=0,
            available=available,
            fits=weights + cache + temporaries <= available,
            estimated=True,
        )

    def attention_kernel(self) -> str | None:
        """Nothing is compiled."""
        return None

    def full_flops(self, rows: int) -> float | None:
        """Nothing is compiled."""
        return None


class CompiledLayout(Layout):
    """As the TPU compiler lays it out."""

    def __init__(self, setting: Setting) -> None:
        """Raises a ConfigError where the compiler is not installed."""
        super().__init__(setting)
        self._mesh = make_mesh(setting.mesh, tpu_devices(setting.topology))
        self._rule = sharding_rule(self._mesh)
        platform = None if setting.attention == "xla" else platform_of(self._mesh.devices.flat[0])
        self._model = setting.subject.model(dtype=setting.dtype, sharding=self._rule, platform=platform)

    def _fill(self, rows: int) -> Memory:
        setting = self.setting
        settings = dataclasses.replace(setting.sampler, batch_size=rows)
        lowered = Sampler(self._model, settings, width=setting.prompt_width, mesh=self._mesh).lower()
        weights, cache = self.weights, self.cache(rows)
        other = program = 0
        available, fits = int(setting.topology.chip.memory_bytes), True
        try:
            footprint = footprint_of(compile_for(lowered))
        except DoesNotFit as error:
            available, fits = int(error.available), False
            temporaries = int(error.needed) - weights - cache
        else:
            other = footprint.arguments - weights - cache
            temporaries, program = footprint.temporaries, footprint.program
        return Memory(
            weights=weights,
            cache=cache,
            other_arguments=other,
            temporaries=temporaries,
            program=program,
            available=available,
            fits=fits,
            estimated=False,
        )

    def attention_kernel(self) -> str | None:
        """On the mesh."""
        with jax.set_mesh(self._mesh):
            return self._model.attention_kernel(self.setting.length)

    def full_flops(self, rows: int) -> float | None:
        """What XLA counts for a row, so often; without attention kernels, which it does not look into.

        Their scores of many rows would not fit where the kernels' tiles do.
        """
        model = self.setting.subject.model(dtype=self.setting.dtype, sharding=self._rule)
        return rows * compiled_forward_flops(model, self._mesh, rows=1, length=self.setting.length)


def compiled_forward_flops(model: CheckpointModel, mesh: Mesh, *, rows: int, length: int) -> float:
    """What the compiler counts of the layers of a full forward, on all chips that share the model."""
    everywhere = NamedSharding(mesh, PartitionSpec())

    def shape(dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((rows, length), dtype, sharding=everywhere)

    inputs = (shape(jnp.int32), shape(jnp.int32), shape(jnp.bool_))
    compiled = jax.jit(model.hidden).lower(model.parameters, *inputs).compile()
    # The layers are a loop, whose body is counted once.
    return flops_of(compiled) * model.config.num_layers * int(mesh.shape["model"])


def weights_bytes(subject: Subject, *, model: int, dtype: str) -> int:
    """On one chip of those that share the model."""
    rule = sharding_rule(AbstractMesh((1, model), ("data", "model")))
    leaves = jax.tree.leaves(subject.model(dtype=dtype, sharding=rule).parameters)
    return sum(leaf.dtype.itemsize * int(np.prod(leaf.sharding.shard_shape(leaf.shape))) for leaf in leaves)
