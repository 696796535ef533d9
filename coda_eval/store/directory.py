"""A run on disk, for reading."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from coda_eval.errors import StoreError
from coda_eval.records import Estimate, ExtractionEffect, LatencySummary, Metrics, Sample, Status, Verdict
from coda_eval.store.journal import read_journal

MANIFEST = "manifest.json"
SAMPLES = "samples.jsonl"
VERDICTS = "verdicts.jsonl"
METRICS = "metrics.json"
PROBLEMS = "problems.csv"

Record = TypeVar("Record", Sample, Verdict)
_SAMPLE_FIELDS = tuple(field.name for field in dataclasses.fields(Sample))
_VERDICT_FIELDS = tuple(field.name for field in dataclasses.fields(Verdict))


class RunDirectory:
    """A run on disk, for reading: finished, unfinished, or being written by another process."""

    def __init__(self, path: Path) -> None:
        """Opens a run.

        Raises:
            StoreError: there is no run, or its manifest is damaged.
        """
        self.path = path
        self.manifest: Mapping[str, Any] = read_manifest(path)

    def samples(self) -> Iterator[Sample]:
        """The samples in the order of the file, read as a stream; a line that is there twice counts once.

        Raises:
            StoreError: a line is damaged; one torn at the end of the file is passed over.
        """
        seen = set()
        for sample in _read_records(self.path / SAMPLES, _sample):
            key = (sys.intern(sample.task_id), sample.sample)
            if key not in seen:
                seen.add(key)
                yield sample

    def verdicts(self) -> Iterator[Verdict]:
        """The verdicts, in the same way."""
        seen = set()
        for verdict in _read_records(self.path / VERDICTS, _verdict):
            key = (sys.intern(verdict.task_id), verdict.sample, sys.intern(verdict.suite))
            if key not in seen:
                seen.add(key)
                yield verdict

    def metrics(self) -> Metrics | None:
        """The metrics, or None while the run is not complete.

        Raises:
            StoreError: the file is damaged.
        """
        path = self.path / METRICS
        try:
            return _metrics_from_json(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{path}: cannot be read as metrics ({error}); remove it and run the same command again to remake it"
            ) from None


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the run at `path`.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{path} is not a run: it has no {MANIFEST}; name the --out directory of a run") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path / MANIFEST}: cannot be read ({error}); start again in another directory") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("identity"), dict):
        raise StoreError(f"{path / MANIFEST}: is not a manifest of this program; start again in another directory")
    return manifest


def _read_records(path: Path, build: Callable[[Mapping[str, Any]], Record]) -> Iterator[Record]:
    for number, fields in read_journal(path):
        try:
            record = build(fields)
            if not isinstance(record.task_id, str) or not isinstance(record.sample, int):
                raise TypeError("task_id takes a string and sample a whole number")
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{path}: line {number} is not one of this program's ({error}); remove it, or start again elsewhere"
            ) from None
        yield record


def _sample(fields: Mapping[str, Any]) -> Sample:
    return Sample(**{name: fields[name] for name in _SAMPLE_FIELDS})


def _verdict(fields: Mapping[str, Any]) -> Verdict:
    known = {name: fields[name] for name in _VERDICT_FIELDS}
    return Verdict(**{**known, "status": Status(known["status"])})


def _metrics_from_json(document: Mapping[str, Any]) -> Metrics:
    return Metrics(
        **{
            **document,
            "pass_at_k": {suite: _estimates(found) for suite, found in document["pass_at_k"].items()},
            "statuses": {Status(status): count for status, count in document["statuses"].items()},
            "latency": LatencySummary(**document["latency"]),
            "alone": _estimates(document.get("alone", {})),
            "breakdown": {key: _estimates(found) for key, found in document.get("breakdown", {}).items()},
            "extraction": {
                name: ExtractionEffect(changed=effect["changed"], pass_at_1=_estimate(effect["pass_at_1"]))
                for name, effect in document.get("extraction", {}).items()
            },
        }
    )


def _estimates(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    return {key: _estimate(document) for key, document in documents.items()}


def _estimate(document: Mapping[str, Any]) -> Estimate:
    ci95 = document["ci95"]
    return Estimate(value=document["value"], ci95=None if ci95 is None else (ci95[0], ci95[1]))
