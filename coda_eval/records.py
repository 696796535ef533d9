"""The records that pass between layers and that a run leaves on disk.

Each is a frozen dataclass. `Sample` and `Verdict` are the lines of `samples.jsonl` and `verdicts.jsonl`, `Metrics` is
`metrics.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """What became of a program. A closed set: trouble of the sandbox itself is never a status."""

    PASSED = "passed"
    FAILED = "failed"
    """A wrong answer, an exception, an early exit, or a channel that was tampered with; `detail` says which."""
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    KILLED = "killed"
    """The program died of a signal that was not ours (a segmentation fault, say)."""
    SYNTAX_ERROR = "syntax_error"
    NO_CODE = "no_code"
    """Extraction found no program in the completion; nothing was run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTests:
    """Tests in the form of HumanEval: `code` calls the candidate and raises where it is wrong.

    They run in a trusted process in which the entry point is a stub that calls the program in another one.
    """

    code: str
    """Source that ends by testing: `def check(candidate): ...` and then `check(entry_point)`, or bare asserts."""
    setup: str = ""
    """Trusted source that is run before `code`: helpers of the prompt that the tests call, imports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of a benchmark."""

    task_id: str
    prompt: str
    """The text that a base model continues: a signature and a docstring."""
    entry_point: str
    canonical_solution: str
    """The continuation of `prompt` that the benchmark's authors wrote."""
    suites: dict[str, CheckTests]
    """Tests by suite: `base` always, `plus` for the tasks of EvalPlus."""
    metadata: dict[str, str] = field(default_factory=dict)
    """What the data say beyond that, e.g. `family` in `mini`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One completion: a line of `samples.jsonl`."""

    task_id: str
    sample: int
    """Counts from 0 within a problem."""
    prompt_sha256: str
    completion: str
    """The model's text as it came, before any extraction."""
    solution: str
    """The program sent to the sandbox; empty where extraction found none."""
    stop_reason: str
    """`stop_token`, `stop_string`, `length`, or `external` for completions from elsewhere."""
    tokens: int | None = None
    """Useful tokens: generated before the first stop token."""
    nfe_full: int | None = None
    """Forwards over the whole canvas."""
    nfe_window: int | None = None
    """Forwards over a cached window."""
    latency_s: float | None = None
    """Wall seconds of the batch that this sample was in, compilation excluded."""
    batch: int | None = None
    """Index of that batch within the run."""
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One job of an executor: a program, and the tests of one suite."""

    task_id: str
    sample: int
    suite: str
    source: str
    entry_point: str
    tests: CheckTests


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the sandbox says of one program under one suite: a line of `verdicts.jsonl`."""

    task_id: str
    sample: int
    suite: str
    status: Status
    detail: str = ""
    """For a failure: the exception's type and message, `wrong answer`, `exited early`, `tampered`, ... (bounded)."""
    cpu_s: float = 0.0
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its uncertainty."""

    value: float | None
    """None where it cannot be estimated: never 0 in place of unknown."""
    ci95: tuple[float, float] | None
    """A 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySummary:
    """How fast the samples were generated; each None where they do not say.

    A latency is the wall time of one batch, compilation excluded, as stored with each of its samples; a batch counts
    once.
    """

    p50_s: float | None = None
    p90_s: float | None = None
    """Percentiles over batches, linear between neighbours."""
    total_s: float | None = None
    """The sum over batches."""
    tokens_per_s: float | None = None
    """Useful tokens of all timed samples per second of `total_s`."""
    nfe_full: float | None = None
    """Forwards over the whole canvas, mean over samples."""
    nfe_window: float | None = None
    """Forwards over a cached window, mean over samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a run amounts to: `metrics.json`."""

    task: str
    protocol: str
    problems: int
    """Problems that have a sample."""
    samples: int
    unscored: int
    """Samples without a verdict in the last suite."""
    pass_at_k: dict[str, dict[str, Estimate]]
    """By suite, then by `pass@1`, `pass@10`, `pass@100` as far as there are so many samples of a problem."""
    statuses: dict[Status, int]
    """Verdicts of the last suite, by status; those that did not occur are left out."""
    latency: LatencySummary
