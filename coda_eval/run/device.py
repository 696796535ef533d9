"""A model on this machine's device."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
from jax.sharding import NamedSharding, PartitionSpec, Sharding

from coda_eval.config import DEFAULT_MAX_NEW_TOKENS, MeshConfig, RunConfig, SamplerConfig
from coda_eval.models.attention_kernels import platform_of
from coda_eval.models.checkpoint import CheckpointModel, checkpoint_sha256, load_checkpoint
from coda_eval.models.references import resolve_model
from coda_eval.models.sharding import DATA, make_mesh, sharding_rule
from coda_eval.protocols import render_prompt
from coda_eval.records import Problem
from coda_eval.run.forward_times import time_forwards
from coda_eval.run.generator import Batch, ForwardSeconds, Item, Written
from coda_eval.run.reading import Reading
from coda_eval.samplers.canvas import prompt_width
from coda_eval.samplers.compilation import keep_compiled_programs
from coda_eval.samplers.sampler import Completion, Request, Sampler
from coda_eval.tasks import Task
from coda_eval.tokenizer import Tokenizer


class DeviceModel:
    """A loaded checkpoint with its tokenizer."""

    def __init__(self, reference: str, *, dtype: str, mesh: MeshConfig, attention: str) -> None:
        """Loads it onto the devices of this process that the mesh takes; one is the default device.

        Raises:
            CheckpointError: there is no such model, or it cannot be used.
            ConfigError: the mesh does not go with the devices.
        """
        keep_compiled_programs()
        directory = resolve_model(reference)
        self.tokenizer = Tokenizer(directory)
        self.mesh = None if mesh.size == 1 else make_mesh(mesh, jax.local_devices())
        self.model: CheckpointModel = load_checkpoint(
            directory,
            dtype=dtype,
            tokenizer=self.tokenizer,
            sharding=None if self.mesh is None else sharding_rule(self.mesh),
            platform=None if attention == "xla" else platform_of(jax.local_devices()[0]),
        )
        self.dtype = dtype
        self.sha256 = checkpoint_sha256(directory)
        self.warm: set[tuple[object, ...]] = set()
        """Shapes that a batch was made in."""
        self.forward_seconds: dict[tuple[int, int, int | None], ForwardSeconds] = {}
        """Measured ones, by batch size, length and width of the window."""

    def on_mesh(self) -> contextlib.AbstractContextManager[object]:
        """Within it the compiler lays out what is computed on the mesh."""
        return contextlib.nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)

    @property
    def rows(self) -> Sharding | None:
        """How its devices share the rows of a batch; None is one device."""
        return None if self.mesh is None else NamedSharding(self.mesh, PartitionSpec(DATA))

    @property
    def has_chat_template(self) -> bool:
        """Whether it can be asked as a chat."""
        return self.tokenizer.chat_template_sha256 is not None


def forget_compiled() -> None:
    """Frees what a model that is not used any more leaves on the device: compiled loops hold it."""
    jax.clear_caches()
    gc.collect()


class DeviceGenerator:
    """A `Generator` that decodes on the device."""

    def __init__(self, loaded: DeviceModel, config: RunConfig, task: Task, reading: Reading) -> None:
        """Nothing is compiled yet.

        Raises:
            ConfigError: the model cannot do what the configuration asks.
        """
        self._tokenizer = loaded.tokenizer
        self._loaded = loaded
        self._prompts: dict[str, str] = {}
        self._ids: dict[str, list[int]] = {}
        for problem in task.problems:
            prompt = reading.prompt(problem, task.few_shot)
            text = render_prompt(prompt, reading.style, loaded.tokenizer)
            self._prompts[problem.task_id] = text
            self._ids[problem.task_id] = loaded.tokenizer.encode(text)
        new_tokens = config.sampler.max_new_tokens or loaded.model.max_new_tokens or DEFAULT_MAX_NEW_TOKENS
        self._trace = config.trace
        self._settings = dataclasses.replace(config.sampler, max_new_tokens=new_tokens)
        # The width is that of the whole task, so that `limit` changes no shape and thus no rounding.
        self._width = prompt_width([len(ids) for ids in self._ids.values()])
        self._new_tokens = new_tokens
        self._sampler = Sampler(loaded.model, self._settings, width=self._width, mesh=loaded.mesh)

    def identity(self) -> Mapping[str, object]:
        return {
            "model_sha256": self._loaded.sha256,
            "tokenizer_sha256": self._tokenizer.sha256,
            "dtype": self._loaded.dtype,
            "sampler": _sampler_identity(self._settings, self._sampler),
        }

    def facts(self) -> Mapping[str, object]:
        device = jax.devices()[0]
        with self._loaded.on_mesh():
            attention = self._loaded.model.attention_kernel(self._width + self._new_tokens)
        return {
            "device": device.device_kind,
            "devices": jax.device_count(),
            "backend": jax.default_backend(),
            "attention": attention,
            "runtime": device.client.platform_version,
            "driver": _driver(),
        }

    def prompt_text(self, problem: Problem) -> str:
        return self._prompts[problem.task_id]

    def compile(self) -> float:
        return self._sampler.compile()

    def warm_up(self, items: Sequence[Item]) -> float:
        config = self._settings
        static = (config.algorithm, config.block_length, config.cache, config.parallel, config.batch_size)
        shape = (*static, self._width, self._new_tokens)
        if shape in self._loaded.warm:
            return 0.0
        self._loaded.warm.add(shape)
        started = time.perf_counter()
        self._sampler.decode(self._requests(items))
        return time.perf_counter() - started

    def forward_seconds(self) -> ForwardSeconds:
        cached = self._settings.cache not in (None, "none") or self._loaded.model.causal
        window = (self._settings.block_length or self._new_tokens) if cached else None
        shape = (self._settings.batch_size, self._width + self._new_tokens, window)
        if shape not in self._loaded.forward_seconds:
            with self._loaded.on_mesh():
                self._loaded.forward_seconds[shape] = time_forwards(self._loaded.model, *shape, rows=self._loaded.rows)
        return self._loaded.forward_seconds[shape]

    def write(self, items: Sequence[Item]) -> Batch:
        started = time.perf_counter()
        decoded = self._sampler.decode(self._requests(items))
        made = time.perf_counter()
        written = [self._written(completion) for completion in decoded.completions]
        return Batch(
            written,
            decoded.seconds,
            compile_s=max(0.0, made - started - decoded.seconds),
            host_s=time.perf_counter() - made,
        )

    def _requests(self, items: Sequence[Item]) -> list[Request]:
        return [
            Request(prompt=self._ids[item.problem.task_id], problem=item.problem.task_id, sample=item.sample)
            for item in items
        ]

    def _written(self, completion: Completion) -> Written:
        return Written(
            text=self._tokenizer.decode(completion.tokens),
            stop_reason=completion.stop_reason,
            tokens=len(completion.tokens),
            nfe_full=completion.forwards,
            nfe_window=completion.window_forwards,
            pieces=tuple(self._tokenizer.decode([token]) for token in completion.tokens) if self._trace else None,
            committed_at=completion.committed_at if self._trace else None,
        )


def _driver() -> str | None:
    """The version of the NVIDIA kernel driver, which JAX does not tell; None where there is none."""
    try:
        return Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").splitlines()[0].strip()
    except (OSError, IndexError):
        return None


def _sampler_identity(config: SamplerConfig, sampler: Sampler) -> dict[str, object]:
    """The sampler's settings as they were resolved, without the batch size, which changes no completion."""
    settings = dataclasses.asdict(config)
    del settings["batch_size"]
    return {**settings, "algorithm": sampler.algorithm, "steps": sampler.steps}
