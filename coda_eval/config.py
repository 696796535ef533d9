"""What a user can set, validated when it is made: before a model is loaded or a container started.

Defaults live here only; the command line shows them and does not repeat them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from coda_eval.errors import ConfigError

DIFFUSION_ALGORITHMS = ("origin", "maskgit_plus", "topk_margin", "entropy")
ALGORITHMS = (*DIFFUSION_ALGORITHMS, "autoregressive")
EXECUTORS = ("docker", "local")
DEFAULT_MAX_NEW_TOKENS = 256
DTYPES = ("float32", "bfloat16")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerConfig:
    """How a model is decoded."""

    max_new_tokens: int | None = None
    """None takes what the model's `generation_config.json` says, or else `DEFAULT_MAX_NEW_TOKENS`."""
    steps: int | None = None
    """Denoising steps; None (`max` on the command line) is one token a step."""
    algorithm: str | None = None
    """One of `ALGORITHMS`; None takes `entropy` for diffusion models, `autoregressive` for causal ones."""
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps every token."""
    alg_temp: float = 0.0
    """Temperature of the choice of positions; 0 takes the most confident ones."""
    seed: int = 0
    batch_size: int = 32

    def __post_init__(self) -> None:
        _require(
            self.max_new_tokens is None or self.max_new_tokens >= 1,
            f"--max-new-tokens is {self.max_new_tokens}; it must be at least 1",
        )
        _require(
            self.steps is None or self.steps >= 1,
            f"--steps is {self.steps}; it must be at least 1, or `max` for one token a step",
        )
        _require(
            self.algorithm is None or self.algorithm in ALGORITHMS,
            f"--algorithm is {self.algorithm!r}; choose one of {', '.join(ALGORITHMS)}",
        )
        _require(self.temperature >= 0, f"--temperature is {self.temperature}; it must be 0 (greedy) or more")
        _require(
            0 < self.top_p <= 1, f"--top-p is {self.top_p}; it must be above 0 and at most 1 (1 keeps every token)"
        )
        _require(self.top_k >= 0, f"--top-k is {self.top_k}; it must be 0 (every token) or more")
        _require(self.alg_temp >= 0, f"--alg-temp is {self.alg_temp}; it must be 0 (most confident) or more")
        _require(self.seed >= 0, f"--seed is {self.seed}; it must be 0 or more")
        _require(self.batch_size >= 1, f"--batch-size is {self.batch_size}; it must be at least 1")
        _require(
            self.alg_temp == 0 or self.algorithm not in ("origin", "autoregressive"),
            f"--alg-temp {self.alg_temp} has no meaning for --algorithm {self.algorithm}, "
            "which does not choose positions by confidence; leave it out",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionConfig:
    """How programs are executed."""

    executor: str = "docker"
    timeout_s: float = 3.0
    """CPU seconds that a program may use; the wall limit behind it is generous."""
    memory_mb: int = 1024
    """Memory of one program."""
    workers: int | None = None
    """Sandboxes; None takes one a CPU."""

    def __post_init__(self) -> None:
        _require(self.executor in EXECUTORS, f"--executor is {self.executor!r}; choose one of {', '.join(EXECUTORS)}")
        _require(self.timeout_s > 0, f"--timeout-s is {self.timeout_s}; it must be above 0")
        _require(self.memory_mb >= 64, f"--memory-mb is {self.memory_mb}; it must be at least 64")
        _require(self.workers is None or self.workers >= 1, f"workers is {self.workers}; it must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One evaluation: which model, on which task, decoded and executed how."""

    model: str
    task: str
    protocol: str | None = None
    """None takes the task's default."""
    samples: int = 1
    """Completions a problem."""
    limit: int | None = None
    """Only the first so many problems."""
    dtype: str = "float32"
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)

    def __post_init__(self) -> None:
        _require(self.samples >= 1, f"--samples is {self.samples}; it must be at least 1")
        _require(self.limit is None or self.limit >= 1, f"--limit is {self.limit}; it must be at least 1")
        _require(self.dtype in DTYPES, f"--dtype is {self.dtype!r}; choose one of {', '.join(DTYPES)}")

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain data, for the manifest."""
        return dataclasses.asdict(self)
