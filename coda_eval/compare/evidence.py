"""What a run says about one task: verdicts by suite, problem and sample, and what they mean.

Run directories are read without their samples: metrics and verdicts say all that a comparison needs. Verdicts are read
at once, as one JSON document, which is three times as fast as line by line.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from coda_eval.errors import StoreError
from coda_eval.records import LatencySummary, Status
from coda_eval.scoring import estimate_pass_at_k
from coda_eval.store.directory import MANIFEST, METRICS, VERDICTS, read_manifest
from coda_eval.store.journal import read_journal

NAMED = 5
"""Problems that a message names before it only counts them."""
ROUNDING = 1e-9
_METRICS_FIELDS = {"task": str, "protocol": str, "samples": int, "pass_at_k": dict, "latency": dict}
_PIECES = re.compile(r"(\D*)(\d*)")
_LATENCY_FIELDS = frozenset(known.name for known in dataclasses.fields(LatencySummary))


class Outcome(NamedTuple):
    """What became of one sample under one suite, those before it included."""

    status: Status
    detail: str

    @property
    def passed(self) -> bool:
        """Whether the program passed."""
        return self.status is Status.PASSED


Outcomes = dict[str, dict[int, Outcome]]
"""By problem, then by sample; what was not judged is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one run says about one task."""

    source: Path
    model: str
    """What was evaluated, for people."""
    task: str
    protocol: str
    settings: Mapping[str, object]
    """What decides what a score means, and what made the completions; nested, plain data."""
    settings_are_whole: bool
    """False where only part of them was recorded, as in result files of other harnesses."""
    suites: Mapping[str, Outcomes]
    """`base` first; each suite includes those before it."""
    samples: int | None = None
    """How many the run says that it has; None where it does not say."""
    latency: LatencySummary = field(default_factory=LatencySummary)
    device: str | None = None
    started: str | None = None
    """ISO 8601."""
    gaps: tuple[str, ...] = ()
    """Why this evidence is not all that it claims to be, a line each."""

    @property
    def seconds_a_completion(self) -> float | None:
        """Wall time of all batches by completions; None where no latency is recorded."""
        return self.latency.total_s / self.samples if self.latency.total_s is not None and self.samples else None


Judgement = tuple[str, str, int, Outcome]
"""What a suite says of a problem's sample. A plain tuple: there are hundreds of thousands of them."""


def read_run(path: Path) -> Evidence:
    """A run directory, or its `metrics.json` and `verdicts.jsonl` alone.

    Raises:
        StoreError: there is no verdict, or something is damaged.
    """
    manifest = read_manifest(path) if (path / MANIFEST).exists() else {}
    metrics = _read_metrics(path / METRICS)
    if metrics is None and not manifest:
        raise StoreError(f"{path} has neither {MANIFEST} nor {METRICS}; expected one of them beside {VERDICTS}")
    identity = manifest.get("identity", {})
    suites, gaps = gather(_read_verdicts(path / VERDICTS))
    if not suites:
        raise StoreError(f"{path} has no verdicts yet; finish the run with the command that started it")
    if metrics is None:
        gaps.append(f"it has no {METRICS}: the run is not finished")
    else:
        gaps += _contradictions(metrics, suites)
    said = {**identity, **(metrics or {})}
    task, protocol = str(said.get("task")), str(said.get("protocol"))
    latency = {name: value for name, value in said.get("latency", {}).items() if name in _LATENCY_FIELDS}
    return Evidence(
        source=path,
        model=_model(manifest) or path.name,
        task=task,
        protocol=protocol,
        settings={"judge": "coda-eval", "task": task, "protocol": protocol, **identity},
        settings_are_whole=bool(manifest),
        suites=suites,
        samples=said.get("samples"),
        latency=LatencySummary(**latency),
        device=_device(manifest),
        started=manifest.get("started"),
        gaps=tuple(gaps),
    )


def gather(judgements: Iterable[Judgement]) -> tuple[dict[str, Outcomes], list[str]]:
    """Orders judgements by suite, problem and sample; the first of several on one program counts.

    Returns:
        The suites, each including those before it, and what is wrong with the judgements, a line each.
    """
    found: dict[str, Outcomes] = {}
    repeated: list[str] = []
    contradicted = 0
    for suite, task_id, sample, outcome in judgements:
        samples = found.setdefault(suite, {}).setdefault(task_id, {})
        if sample not in samples:
            samples[sample] = outcome
        else:
            repeated.append(task_id)
            contradicted += samples[sample].status is not outcome.status
    gaps = []
    if repeated:
        contradicting = f", {contradicted} of them with another status" if contradicted else ""
        gaps.append(f"{count(len(repeated), 'verdict')} repeated{contradicting} ({name_some(repeated)})")
    # `base@EXTRACTOR` is what another extractor would have made of the same completions: no suite of the task.
    names = sorted((suite for suite in found if "@" not in suite), key=lambda suite: (suite != "base", suite))
    for name, before in zip(names[1:], names, strict=False):
        gaps += _include(found[before], found[name], name)
    return {name: found[name] for name in names}, gaps


def _include(before: Outcomes, suite: Outcomes, name: str) -> Iterator[str]:
    """Makes a program pass a suite only if it passed the one before; yields what is missing."""
    lacking = []
    for task_id, outcomes in before.items():
        samples = suite.setdefault(task_id, {})
        for sample, outcome in outcomes.items():
            if not outcome.passed:
                samples[sample] = outcome
            elif sample not in samples:
                lacking.append(task_id)
    orphans = []
    for task_id, samples in suite.items():
        unjudged = samples.keys() - before.get(task_id, {}).keys()
        for sample in unjudged:
            del samples[sample]
            orphans.append(task_id)
    for missing, where in ((lacking, name), (orphans, "an earlier suite")):
        if missing:
            yield f"{count(len(missing), 'sample')} without a verdict in {where} ({name_some(missing)})"


def natural_order(task_id: str) -> tuple[tuple[str, int], ...]:
    """A key that puts `mini/9` before `mini/10`."""
    return tuple((text, int(digits or 0)) for text, digits in _PIECES.findall(task_id))


def count(number: int, noun: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def name_some(names: Iterable[str]) -> str:
    """The first few of distinct names, and how many more there are."""
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - NAMED} more" if len(distinct) > NAMED else ""
    return ", ".join(distinct[:NAMED]) + more


def _read_metrics(path: Path) -> dict[str, Any] | None:
    """Read here, and not through `RunDirectory`, because it may lie without a manifest."""
    try:
        metrics = json.loads(path.read_bytes())
        for name, kind in _METRICS_FIELDS.items():
            if not isinstance(metrics[name], kind):
                raise TypeError(f"{name} is {metrics[name]!r}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: cannot be read as metrics ({error!r}); make it again with the run's command"
        ) from None
    return dict(metrics)


def _contradictions(metrics: Mapping[str, Any], suites: Mapping[str, Outcomes]) -> Iterator[str]:
    """Where the metrics do not follow from the verdicts."""
    if metrics.get("rejected"):
        yield f"{count(metrics['rejected'], 'line')} of its samples file could not be read"
    *_, last = suites.values()
    scored = sum(map(len, last.values()))
    if scored < metrics["samples"]:
        yield f"{count(metrics['samples'] - scored, 'sample')} of {metrics['samples']} without a verdict"
    elif scored > metrics["samples"]:
        yield f"verdicts on {scored} samples, where {METRICS} knows {metrics['samples']}"
    for name, outcomes in suites.items():
        claimed = metrics["pass_at_k"].get(name, {}).get("pass@1", {}).get("value")
        found = estimate_pass_at_k(map(tally, outcomes.values()), 1).value
        if claimed is not None and found is not None and abs(claimed - found) > ROUNDING:
            yield f"{METRICS} says {name} pass@1 is {claimed:.4f}, the verdicts say {found:.4f}"


def tally(samples: Mapping[int, Outcome]) -> tuple[int, int]:
    """How many samples of a problem are scored, and how many of them passed."""
    return len(samples), [status for status, _ in samples.values()].count(Status.PASSED)


def _read_verdicts(path: Path) -> Iterator[Judgement]:
    statuses = {status.value: status for status in Status}
    for row in _read_rows(path):
        try:
            task_id, sample = row["task_id"], row["sample"]
            if type(task_id) is not str or type(sample) is not int:
                raise TypeError("task_id takes a string and sample a whole number")
            yield row["suite"], task_id, sample, Outcome(statuses[row["status"]], row["detail"])
        except (KeyError, TypeError) as error:
            raise StoreError(
                f"{path}: {json.dumps(row)[:120]} is no verdict of this program ({error!r}); remove that line"
            ) from None


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a journal; a torn last line is passed over."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    whole = content[: content.rfind(b"\n")]
    try:
        # One document is decoded three times as fast as its lines.
        rows = json.loads(b"[" + whole.replace(b"\n", b",") + b"]")
    except ValueError:
        rows = []
    if len(rows) == whole.count(b"\n") + 1 and all(type(row) is dict for row in rows):
        return list(rows)
    return [fields for _, fields in read_journal(path)]  # passes over blank lines, names a damaged one


def _device(manifest: Mapping[str, Any]) -> str | None:
    """`cpu`, or `8 x TPU v5 lite`."""
    kind, number = manifest.get("device"), manifest.get("devices", 1)
    return None if kind is None else str(kind) if number == 1 else f"{number} x {kind}"


def _model(manifest: Mapping[str, Any]) -> str | None:
    config = manifest.get("config")
    name = config.get("model") if isinstance(config, dict) else manifest.get("completions")
    return None if name is None else str(name)
