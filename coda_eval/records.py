"""The records that pass between layers and that a run leaves on disk.

Each is a frozen dataclass. `Sample` and `Verdict` are the lines of `samples.jsonl` and `verdicts.jsonl`, `Metrics` is
`metrics.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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
    epilogue: str = ""
    """Source that is put after the program and runs as its end: what the tests need of the program's own names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOutputTests:
    """Tests in the form of EvalPlus: inputs, and the canonical solution's answers to them.

    The program is called with each input in a process of its own; what it returns is compared, as plain data, in a
    trusted one.
    """

    inputs: tuple[tuple[Any, ...], ...]
    """Argument lists, their types as the benchmark means them (tuples, sets, complex numbers restored)."""
    reference: str
    """A trusted program that defines the entry point: its answers are the expected ones."""
    oracle: str = "close"
    """The rule of comparison, by name; `close` is equality, or closeness within `atol` for floats."""
    atol: float = 0.0


Tests = CheckTests | InputOutputTests


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of a benchmark."""

    task_id: str
    prompt: str
    """The text that a base model continues: a signature and a docstring."""
    entry_point: str
    canonical_solution: str
    """The continuation of `prompt` that the benchmark's authors wrote."""
    suites: dict[str, Tests]
    """Tests by suite: `base` always, `plus` for the tasks of EvalPlus."""
    form: str = "humaneval"
    """How it is posed: `humaneval`, a function to complete; `mbpp`, a description with asserts."""
    description: str = ""
    """The task in words, where it is posed in words: MBPP's `text`."""
    examples: tuple[str, ...] = ()
    """The asserts that a prompt shows; MBPP's `test_list`."""
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
    """`stop_token`, `stop_string`, `length`; from elsewhere `external`, or `program` for a program without its text."""
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
class Trace:
    """The order in which a completion came about: a line of `trace.jsonl`."""

    task_id: str
    sample: int
    pieces: tuple[str, ...]
    """The text token by token."""
    committed_at: tuple[int, ...]
    """The step at which each token was committed."""


BASE_SUITE = "base"
"""The suite that every problem has; a program that fails it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One job of an executor: a program, and the tests of one suite."""

    task_id: str
    sample: int
    suite: str
    source: str
    entry_point: str
    tests: Tests


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the sandbox says of one program under one suite: a line of `verdicts.jsonl`."""

    task_id: str
    sample: int
    suite: str
    status: Status
    detail: str = ""
    """For a failure: the exception's type and message, `wrong answer`, `exited early`, `tampered`, ... (bounded)."""
    output: str = ""
    """The tail of what the program printed, its traceback last; empty for one that passed."""
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
class Timings:
    """What took how long in one start of a run: a line of `timings.jsonl`. All in wall seconds."""

    completions: int
    """Made in it."""
    load_s: float = 0.0
    """The model from disk to device, and the prompts into tokens; next to nothing where a sweep has it loaded."""
    compile_s: float = 0.0
    """0 where a sweep has the shape compiled."""
    decode_s: float = 0.0
    """On the device, or until an endpoint answered: the sum of `latency_s` over its batches."""
    host_s: float = 0.0
    """Between batches: tokens into text, extraction, writing."""
    full_forward_s: float | None = None
    """One forward of a full batch over the whole canvas, without the head, measured by itself; None where not."""
    window_forward_s: float | None = None
    """One over a cached window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySummary:
    """How fast the samples were generated; each None where they do not say.

    A latency is the wall time of one batch, compilation excluded, as stored with each of its samples; a batch counts
    once.
    """

    p50_s: float | None = None
    p90_s: float | None = None
    p99_s: float | None = None
    """Percentiles over batches, linear between neighbours: how long one waits for a completion."""
    problem_p50_s: float | None = None
    problem_p90_s: float | None = None
    problem_p99_s: float | None = None
    """Percentiles over samples of their batch's time by its samples: what a completion costs."""
    total_s: float | None = None
    """The sum over batches."""
    tokens_per_s: float | None = None
    """Useful tokens of all timed samples per second of `total_s`."""
    nfe_full: float | None = None
    """Forwards over the whole canvas, mean over samples."""
    nfe_window: float | None = None
    """Forwards over a cached window, mean over samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionEffect:
    """What another extractor would have made of the same completions."""

    changed: int
    """Samples that would pass instead of fail, or fail instead of pass, in the last suite."""
    pass_at_1: Estimate
    """Under that extractor, in the last suite of the task's own tests."""


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
    missing: int = 0
    """Problems of the task that have no sample; they do not count."""
    rejected: int = 0
    """Lines of a samples file from elsewhere that could not be read as samples; they do not count."""
    alone: dict[str, Estimate] = field(default_factory=dict)
    """pass@1 of each suite after the first by itself: `plus` without `base`."""
    breakdown: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    """pass@1 of the last suite over groups of problems, by a key of their metadata and its value."""
    extraction: dict[str, ExtractionEffect] = field(default_factory=dict)
    """By extractor, for those that were tried beside the protocol's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRow:
    """One problem of a run: a line of `problems.csv`."""

    task_id: str
    samples: int
    unscored: int
    passed: dict[str, int]
    """By suite, each including those before it."""
    statuses: dict[Status, int]
    """Verdicts of the last suite."""
