"""What a user can set, validated when it is made: before a model is loaded or a container started.

Defaults live here only; the command line shows them and does not repeat them.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any

from coda_eval.errors import ConfigError

DIFFUSION_ALGORITHMS = (
    "origin", "maskgit_plus", "topk_margin", "entropy", "low_confidence", "random", "hierarchy",
)  # fmt: skip
ALGORITHMS = (*DIFFUSION_ALGORITHMS, "autoregressive")
CACHES = ("none", "prefix", "dual", "vicinity", "every-n")
END_OF_TEXT = ("free", "forbid", "last")
REFERENCES = ("coda", "fast-dllm-dream", "fast-dllm-llada")
EXECUTORS = ("docker", "local")
DEFAULT_MAX_NEW_TOKENS = 256
DEFAULT_MEMORY_MB = 1024
DTYPES = ("float32", "bfloat16", "int8")
ATTENTION = ("auto", "xla")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def positive_limit(limit: int | None) -> int | None:
    """Raises for a limit below 1."""
    _require(limit is None or limit >= 1, f"--limit is {limit}; it must be at least 1")
    return limit


_PARALLEL = {
    "threshold": ("maskgit_plus", "topk_margin", "entropy", "low_confidence", "hierarchy"),
    "factor": ("maskgit_plus", "low_confidence"),
    "entropy_bound": ("entropy",),
}
"""Options by which a step commits as many positions as the model is sure of, and the algorithms that they go with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerConfig:
    """How a model is decoded."""

    max_new_tokens: int | None = None
    """None takes what the model's `generation_config.json` says, or else `DEFAULT_MAX_NEW_TOKENS`."""
    steps: int | None = None
    """Denoising steps; None (`max` on the command line) is one token a step."""
    algorithm: str | None = None
    """One of `ALGORITHMS`: which positions are committed first, and by which schedule. None takes `entropy` for
    diffusion models, `autoregressive` for causal ones; with a threshold or factor `low_confidence`."""
    block_length: int | None = None
    """Blocks are filled from left to right; None makes one block of the canvas."""
    threshold: float | None = None
    """Every position is committed whose confidence reaches it (with `entropy`: whose entropy does not exceed it)."""
    factor: float | None = None
    """The n surest positions are committed while (n + 1)(1 - confidence) is below it."""
    entropy_bound: float | None = None
    """The least entropic positions are committed while the sum of their entropies is within it (EB-Sampler)."""
    join_at: float | None = None
    """Blocks are filled several at a time: one joins when so much of the block before it is filled (D2F, d3LLM)."""
    lead_at: float = 0.95
    """Such a block commits at least a token a step from when so much of the block before it is filled."""
    cache: str | None = None
    """One of `CACHES`; None takes `none`, for causal models `prefix`, which is exact there."""
    refresh_every: int = 8
    """Forwards of a block between refreshes, for `every-n`."""
    vicinity: int = 16
    """Columns beside the block that are computed with it, for `vicinity`."""
    end_of_text: str = "free"
    """`forbid` never commits the padding token (LLaDA's `logits_eos_inf`); `last` commits stop tokens only where
    nothing else is on offer (its `confidence_eos_eot_inf`)."""
    reference: str | None = None
    """One of `REFERENCES`, whose faults are reproduced, to compare with it."""
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
        self._check_blocks()
        self._check_rule()
        self._check_cache()

    def _check_blocks(self) -> None:
        length, canvas = self.block_length, self.max_new_tokens
        _require(length is None or length >= 1, f"--block-length is {length}; it must be at least 1")
        _require(
            length is None or canvas is None or length <= canvas,
            f"--block-length is {length}, longer than --max-new-tokens {canvas}; leave it out for one block",
        )
        for name, share in (("--join-at", self.join_at), ("--lead-at", self.lead_at)):
            _require(share is None or 0 < share <= 1, f"{name} is {share}; it must be above 0 and at most 1")
        _require(
            self.join_at is None or (length is not None and self.parallel is not None),
            f"--join-at {self.join_at} fills several blocks as far as the model is sure; it needs --block-length and "
            "one of --threshold, --factor, --entropy-bound",
        )

    @property
    def parallel(self) -> str | None:
        """The option by which as many positions are committed as the model is sure of, if one is given."""
        return next((name for name in _PARALLEL if getattr(self, name) is not None), None)

    def _check_rule(self) -> None:
        _require(
            self.threshold is None or 0 < self.threshold <= 1,
            f"--threshold is {self.threshold}; it must be above 0 and at most 1 (1: one token a forward)",
        )
        _require(self.factor is None or self.factor > 0, f"--factor is {self.factor}; it must be above 0")
        _require(
            self.entropy_bound is None or self.entropy_bound >= 0,
            f"--entropy-bound is {self.entropy_bound}; it must be 0 (one token a forward) or more",
        )
        given = [f"--{name.replace('_', '-')}" for name in _PARALLEL if getattr(self, name) is not None]
        _require(len(given) <= 1, f"{' and '.join(given)} are given; choose one of them")
        if self.parallel is not None and self.algorithm is not None:
            usable = _PARALLEL[self.parallel]
            _require(
                self.algorithm in usable,
                f"{given[0]} goes by confidence, --algorithm is {self.algorithm}; choose one of {', '.join(usable)}",
            )
        _require(
            self.algorithm != "hierarchy" or self.threshold is not None, "--algorithm hierarchy needs a --threshold"
        )
        _require(
            self.alg_temp == 0
            or (self.parallel is None and self.algorithm not in ("origin", "random", "autoregressive")),
            f"--alg-temp {self.alg_temp} has no meaning for {given[0] if given else f'--algorithm {self.algorithm}'}, "
            "which does not choose a number of positions by confidence; leave it out",
        )
        _require(
            self.end_of_text in END_OF_TEXT,
            f"--end-of-text is {self.end_of_text!r}; choose one of {', '.join(END_OF_TEXT)}",
        )

    def _check_cache(self) -> None:
        cache = self.cache
        _require(cache is None or cache in CACHES, f"--cache is {cache!r}; choose one of {', '.join(CACHES)}")
        _require(self.refresh_every >= 1, f"--refresh-every is {self.refresh_every}; it must be at least 1")
        _require(self.vicinity >= 0, f"--vicinity is {self.vicinity}; it must be 0 or more")
        _require(
            self.join_at is None or cache in (None, "none"),
            f"--cache is {cache}, and --join-at fills several blocks at once, which a cache around one block cannot "
            "serve; leave one of them out",
        )
        _require(
            self.algorithm != "autoregressive" or cache in (None, "none", "prefix"),
            f"--cache is {cache}; autoregressive decoding uses `prefix` (exact) or `none`",
        )
        _require(
            self.reference is None or self.reference in REFERENCES,
            f"--reference is {self.reference!r}; choose one of {', '.join(REFERENCES)}",
        )
        if self.reference == "coda":
            _require(
                self.block_length is None and cache in (None, "none") and self.parallel is None,
                "--reference coda decodes the whole canvas by its schedule; leave out block length, cache, threshold",
            )
        elif self.reference is not None:
            _require(
                cache in ("prefix", "dual") and self.block_length is not None and self.block_length > 1,
                f"--reference {self.reference} needs --cache prefix or dual, and a --block-length above 1",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionConfig:
    """How programs are executed."""

    executor: str = "docker"
    timeout_s: float = 3.0
    """CPU seconds that a program may use; the wall limit behind it is generous."""
    memory_mb: int = DEFAULT_MEMORY_MB
    """Memory of one program."""
    workers: int | None = None
    """Sandboxes; None takes one a CPU, as far as the memory of all of them is there."""
    runtime: str | None = None
    """The container runtime, e.g. `runsc`, where it is not the engine's own default."""

    def __post_init__(self) -> None:
        _require(self.executor in EXECUTORS, f"--executor is {self.executor!r}; choose one of {', '.join(EXECUTORS)}")
        _require(self.timeout_s > 0, f"--timeout-s is {self.timeout_s}; it must be above 0")
        _require(self.memory_mb >= 64, f"--memory-mb is {self.memory_mb}; it must be at least 64")
        _require(self.workers is None or self.workers >= 1, f"workers is {self.workers}; it must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    """How a model behind an HTTP interface is asked."""

    timeout_s: float = 120.0
    """Seconds without an answer before a request is given up and repeated."""
    retries: int = 5
    """After time-outs, lost connections, 429 and 5xx, with growing pauses."""

    def __post_init__(self) -> None:
        _require(self.timeout_s > 0, f"--endpoint-timeout-s is {self.timeout_s}; it must be above 0")
        _require(self.retries >= 0, f"--endpoint-retries is {self.retries}; it must be 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshConfig:
    """How devices share the work; on the command line `data=4,model=2`."""

    data: int = 1
    """Devices, or groups of them, that decode rows of their own."""
    model: int = 1
    """Devices that share the weights of a model too large for one."""

    def __post_init__(self) -> None:
        _require(self.data >= 1 and self.model >= 1, f"--mesh is {self}; both numbers must be at least 1")

    @classmethod
    def parse(cls, text: str) -> MeshConfig:
        """From `data=4,model=2`; what is left out is 1.

        Raises:
            ConfigError: it is of another form.
        """
        parts = [part.partition("=") for part in text.split(",")]
        names = [name.strip() for name, _, _ in parts]
        form = "write data=4,model=2, or one of the two"
        _require({*names} <= {"data", "model"} and len({*names}) == len(names), f"--mesh is {text!r}; {form}")
        _require(all(size.strip().isdecimal() for _, _, size in parts), f"--mesh is {text!r}; {form}")
        return cls(**{name.strip(): int(size) for name, _, size in parts})

    @property
    def size(self) -> int:
        """How many devices it takes."""
        return self.data * self.model

    def __str__(self) -> str:
        return f"data={self.data},model={self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One evaluation: which model, on which task, decoded and executed how."""

    model: str
    task: str
    protocol: str | None = None
    """None takes the task's default."""
    prompt: str = "auto"
    """`base`, `instruct`, or `auto`: by the tokenizer's chat template and the model's name."""
    extract_also: tuple[str, ...] | None = None
    """Extractors tried beside the protocol's own; None takes the task's."""
    samples: int = 1
    """Completions a problem."""
    limit: int | None = None
    """Only the first so many problems."""
    dtype: str = "float32"
    mesh: MeshConfig = field(default_factory=MeshConfig)
    """One device unless it says otherwise."""
    attention: str = "auto"
    """One of `ATTENTION`: a kernel for the device where one applies, or as the compiler makes it."""
    trace: bool = False
    """Keeps the order in which the tokens of each completion were committed."""
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)

    def __post_init__(self) -> None:
        _require(self.samples >= 1, f"--samples is {self.samples}; it must be at least 1")
        positive_limit(self.limit)
        _require(self.dtype in DTYPES, f"--dtype is {self.dtype!r}; choose one of {', '.join(DTYPES)}")
        _require(
            self.attention in ATTENTION, f"--attention is {self.attention!r}; choose one of {', '.join(ATTENTION)}"
        )

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain data, for the manifest."""
        return dataclasses.asdict(self)


def sweepable_settings() -> dict[str, type]:
    """What a sweep can vary, with the kind of its values: of the sampler all but the seed; the precision; the mesh."""
    hints = {**typing.get_type_hints(SamplerConfig), "dtype": str, "mesh": str}
    del hints["seed"]
    kinds = {}
    for name, hint in hints.items():
        members = typing.get_args(hint) or (hint,)
        kinds[name] = next(member for member in members if member is not type(None))
    return kinds
