"""What changed between two runs besides their scores: problems that flipped, endings, speed, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from coda_eval.compare.evidence import Outcome, Outcomes, count, name_some, tally
from coda_eval.compare.sources import Pair
from coda_eval.records import Status


class Tally(NamedTuple):
    """A problem in one run."""

    scored: int
    passed: int
    status: Status
    """The most frequent one of the samples that did not pass; `passed` if all did."""
    detail: str
    """Of the first sample with that status."""

    @property
    def mostly_passes(self) -> bool:
        """Whether half of the samples pass."""
        return 2 * self.passed >= self.scored


class Flip(NamedTuple):
    """A problem that most samples of only one of the two runs pass."""

    task_id: str
    baseline: Tally
    candidate: Tally


class StatusChange(NamedTuple):
    """How many samples ended so, on the problems that both runs have."""

    status: Status
    baseline: int
    candidate: int
    grew: bool
    """As a share of the samples, and not a pass."""


class SpeedChange(NamedTuple):
    """A figure of speed in both runs."""

    what: str
    baseline: float
    candidate: float


def summarize(outcomes: Mapping[int, Outcome]) -> Tally:
    """What became of the samples of a problem."""
    scored, passed = tally(outcomes)
    if passed == scored:
        return Tally(scored, passed, Status.PASSED, "")
    others = [outcome for outcome in outcomes.values() if not outcome.passed]
    ((status, _),) = Counter(outcome.status for outcome in others).most_common(1)
    return Tally(scored, passed, status, next(outcome.detail for outcome in others if outcome.status is status))


def compare_statuses(there: Outcomes, here: Outcomes) -> Iterator[StatusChange]:
    """Those that occurred in either."""
    baseline, candidate = (
        Counter(outcome.status for samples in outcomes.values() for outcome in samples.values())
        for outcomes in (there, here)
    )
    for status in Status:
        if baseline[status] or candidate[status]:
            grew = candidate[status] * baseline.total() > baseline[status] * candidate.total()
            yield StatusChange(status, baseline[status], candidate[status], grew and status is not Status.PASSED)


def compare_speed(pair: Pair) -> Iterator[SpeedChange]:
    """The figures that both runs have."""
    there, here = pair
    for what, baseline, candidate in (
        ("seconds a completion", there.seconds_a_completion, here.seconds_a_completion),
        ("seconds a batch, median", there.latency.p50_s, here.latency.p50_s),
        ("tokens a second", there.latency.tokens_per_s, here.latency.tokens_per_s),
        ("full forwards", there.latency.nfe_full, here.latency.nfe_full),
        ("window forwards", there.latency.nfe_window, here.latency.nfe_window),
    ):
        if baseline is not None and candidate is not None and (baseline or candidate):
            yield SpeedChange(what, baseline, candidate)


def find_gaps(pair: Pair) -> Iterator[str]:
    """What is missing on either side: by itself, and as against the other one."""
    sides = {"baseline": pair.baseline, "candidate": pair.candidate}
    for name, run in sides.items():
        yield from (f"the {name} ({run.task}): {gap}" for gap in run.gaps)
    for name, run, other in (("candidate", pair.candidate, pair.baseline), ("baseline", pair.baseline, pair.candidate)):
        for suite, outcomes in other.suites.items():
            own = run.suites.get(suite)
            if own is None:
                yield f"the {name} ({run.task}) has no suite {suite}"
                continue
            if lacking := [task_id for task_id in outcomes if not own.get(task_id)]:
                yield (
                    f"the {name} ({run.task}, {suite}) lacks {len(lacking)} of {count(len(outcomes), 'problem')} "
                    f"({name_some(lacking)})"
                )
            if fewer := [
                task_id for task_id in outcomes if own.get(task_id) and outcomes[task_id].keys() - own[task_id]
            ]:
                task_id = fewer[0]
                yield (
                    f"the {name} ({run.task}, {suite}) lacks samples of {count(len(fewer), 'problem')} "
                    f"({task_id} has {len(own[task_id])} of {len(outcomes[task_id])}; {name_some(fewer)})"
                )
