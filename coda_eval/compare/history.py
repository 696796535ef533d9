"""Checkpoints in order: a metric of each, and whether it is shown to be worse than the best before it.

The best of several is partly luck, so a comparison with it counts as one with each of those before; Holm's correction
goes over the checkpoints. Among checkpoints that do not differ, the probability that any is called worse is at most
alpha.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from coda_eval.compare.comparability import check_comparable
from coda_eval.compare.comparison import Finding, count_samples, estimate_problems, find, shared_problems
from coda_eval.compare.evidence import Evidence, tally
from coda_eval.compare.significance import adjust_holm, paired_tests
from coda_eval.compare.sources import Pair, read_evidence
from coda_eval.errors import ConfigError, StoreError
from coda_eval.records import Estimate
from coda_eval.scoring import KS, estimate_pass_at_k

_NUMBER = re.compile(r"\d+")


class Setback(NamedTuple):
    """A checkpoint against the best before it."""

    best: int
    """The index of that one."""
    difference: float
    """From it, as a share, on the problems that both have."""
    p_adjusted: float
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One run of the history."""

    run: Evidence
    position: int | str
    """The training step, or else the date of the run, ISO 8601."""
    estimate: Estimate
    against: Setback | None
    """None for the first."""

    @property
    def is_worse(self) -> bool:
        """Whether it is shown to be worse than the best before it."""
        return self.against is not None and self.against.finding is Finding.WORSE


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Checkpoints of one task in order."""

    task: str
    protocol: str
    metric: str
    """`plus/pass@1`, say."""
    alpha: float
    by_step: bool
    """Whether positions are training steps."""
    checkpoints: tuple[Checkpoint, ...]

    @property
    def first_worse(self) -> Checkpoint | None:
        """The first one that is shown to be worse than the best before it."""
        return next((point for point in self.checkpoints if point.is_worse), None)


def trace_history(
    paths: Sequence[Path], *, metric: str | None = None, alpha: float = 0.05, allow: Sequence[str] = ()
) -> History:
    """The history of the runs at `paths`, one each; see `trace_evidence`."""
    return trace_evidence([_only_run(path) for path in paths], metric=metric, alpha=alpha, allow=allow)


def trace_evidence(
    runs: Sequence[Evidence], *, metric: str | None = None, alpha: float = 0.05, allow: Sequence[str] = ()
) -> History:
    """Orders runs and holds each against the best before it.

    Args:
        runs: at least one, in any order.
        metric: `plus/pass@1`, or `pass@1` of the last suite; pass@1 where it is None.
        alpha: the probability of any false alarm.
        allow: fields in which runs may differ.

    Raises:
        CodaEvalError: a run cannot be read, lacks the metric, or does not compare with another.
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"--alpha is {alpha}; it must be above 0 and below 1 (0.05 is usual)")
    suite, name = _split(metric or "pass@1", runs[0])
    steps = _training_steps(runs)
    positions = steps or _dates(runs)
    order = sorted(range(len(runs)), key=lambda index: positions[index])
    runs = [runs[index] for index in order]
    estimates = [_estimate(run, suite, name) for run in runs]
    setbacks = _compare_with_best(runs, estimates, suite, int(name.removeprefix("pass@")), alpha=alpha, allow=allow)
    return History(
        task=runs[0].task,
        protocol=runs[0].protocol,
        metric=f"{suite}/{name}",
        alpha=alpha,
        by_step=steps is not None,
        checkpoints=tuple(
            Checkpoint(run=run, position=positions[index], estimate=estimate, against=against)
            for run, index, estimate, against in zip(runs, order, estimates, [None, *setbacks], strict=True)
        ),
    )


def _only_run(path: Path) -> Evidence:
    runs = read_evidence(path)
    if len(runs) > 1:
        raise ConfigError(f"{path} holds {len(runs)} runs ({runs[0].source}, ...); name one run of each checkpoint")
    return runs[0]


def _split(metric: str, run: Evidence) -> tuple[str, str]:
    """Suite and name; raises where there is no such metric."""
    suite, slash, name = metric.rpartition("/")
    suite = suite if slash else list(run.suites)[-1]
    if suite not in run.suites or name not in {f"pass@{k}" for k in KS}:
        raise ConfigError(
            f"--metric is {metric!r}; choose pass@{' or pass@'.join(map(str, KS))}, "
            f"of a suite ({', '.join(run.suites)}) as in base/pass@1"
        )
    return suite, name


def _estimate(run: Evidence, suite: str, name: str) -> Estimate:
    if suite not in run.suites:
        raise ConfigError(f"{run.source} has no suite {suite}; name runs of one task")
    estimate = estimate_pass_at_k(map(tally, run.suites[suite].values()), int(name.removeprefix("pass@")))
    if estimate.value is None:
        raise ConfigError(f"{run.source} has too few samples a problem for {name}; choose another --metric")
    return estimate


def _compare_with_best(
    runs: Sequence[Evidence],
    estimates: Sequence[Estimate],
    suite: str,
    k: int,
    *,
    alpha: float,
    allow: Sequence[str],
) -> list[Setback]:
    """Each but the first against the highest before it, the earliest of equals."""
    compared = []
    for index in range(1, len(runs)):
        best = max(range(index), key=lambda earlier: (estimates[earlier].value or 0.0, -earlier))
        pair = Pair(runs[best], runs[index])
        check_comparable(*pair, allow=allow)
        shared = shared_problems(pair)
        there, here = (estimate_problems(count_samples(run.suites[suite], shared), k) for run in pair)
        (test,) = paired_tests((here - there)[:, None])
        compared.append((best, float((here - there).mean()), min(1.0, index * test.p_value)))
    adjusted = adjust_holm([p_value for *_, p_value in compared])
    return [
        Setback(best, difference, p_adjusted, find(difference, p_adjusted, alpha=alpha))
        for (best, difference, _), p_adjusted in zip(compared, adjusted, strict=True)
    ]


def _training_steps(runs: Sequence[Evidence]) -> list[int] | None:
    """The last number in the names of models (`checkpoint-1500`), else of directories; None where they do not tell."""
    for names in ([Path(run.model).name for run in runs], [run.source.name for run in runs]):
        numbers = [_NUMBER.findall(name) for name in names]
        if all(numbers):
            steps = [int(found[-1]) for found in numbers]
            if len(set(steps)) == len(steps):
                return steps
    return None


def _dates(runs: Sequence[Evidence]) -> list[str]:
    dates = [run.started for run in runs]
    if unknown := [run.source for run, date in zip(runs, dates, strict=True) if date is None]:
        raise StoreError(
            f"{unknown[0]} says neither training step nor date; "
            "put the step into the directories' names, as in step-1500"
        )
    return [date for date in dates if date is not None]


def say_position(history: History, checkpoint: Checkpoint) -> str:
    """`step 1500`, or the model and the date."""
    if history.by_step:
        return f"step {checkpoint.position}"
    return f"{checkpoint.run.model} of {say_coordinate(checkpoint)}"


def say_coordinate(checkpoint: Checkpoint) -> str:
    """`1500`, or the date to the minute."""
    return str(checkpoint.position)[:16].replace("T", " ")
