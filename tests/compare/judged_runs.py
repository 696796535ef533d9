"""Run directories whose verdicts a test decides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coda_eval.compare.evidence import Evidence, read_run
from coda_eval.records import Sample, Status, Verdict
from coda_eval.scoring import ScoringPlan, Tally
from coda_eval.store import RunWriter

IDENTITY: dict[str, Any] = {
    "task": "mini",
    "dataset_sha256": "d0",
    "protocol": "human-eval",
    "model_sha256": "m0",
    "sampler": {"steps": 64},
    "execution": {"executor": "docker", "timeout_s": 3.0, "memory_mb": 1024},
}

Statuses = Mapping[str, Sequence[Status | None]]
"""Of the samples of each problem; None for one without a verdict."""


def outcomes(*passed: int, problems: int, samples: int = 1) -> dict[str, list[Status | None]]:
    """Every sample of the problems with these numbers passes, all others fail."""
    return {
        f"mini/{number}": [Status.PASSED if number in passed else Status.FAILED] * samples for number in range(problems)
    }


def write_run(
    path: Path,
    base: Statuses,
    *,
    plus: Statuses | None = None,
    model: str = "a-model",
    device: str = "cpu",
    seconds: float | None = 2.0,
    finish: bool = True,
    started: str = "2026-01-01T00:00:00+00:00",
    **identity: object,
) -> Path:
    """Writes a run as an evaluation does."""
    facts = {"config": {"model": model}, "device": device, "started": started}
    suites = {"base": base} if plus is None else {"base": base, "plus": plus}
    with RunWriter(path, identity={**IDENTITY, **identity}, facts=facts) as writer:
        for task_id, statuses in base.items():
            for number in range(len(statuses)):
                writer.append_sample(
                    Sample(
                        task_id=task_id,
                        sample=number,
                        prompt_sha256="",
                        completion="",
                        solution="",
                        stop_reason="length",
                        nfe_full=8,
                        latency_s=seconds,
                        batch=None if seconds is None else 0,
                    )
                )
                for suite, judged in suites.items():
                    if (status := judged[task_id][number]) is not None:
                        writer.append_verdict(
                            Verdict(task_id=task_id, sample=number, suite=suite, status=status, detail=f"it {status}")
                        )
        if finish:
            plan = ScoringPlan(
                task=str(writer.run.manifest["identity"]["task"]),
                protocol=str(writer.run.manifest["identity"]["protocol"]),
                suites=list(suites),
            )
            writer.write_metrics(Tally(writer.run.samples(), writer.run.verdicts()).metrics(plan))
    return path


def judged_run(path: Path, base: Statuses, **given: Any) -> Evidence:
    """Writes a run and reads it."""
    return read_run(write_run(path, base, **given))


def edit_verdicts(run: Path, change: Any) -> None:
    """Rewrites the verdicts; `change` takes and returns a list of rows."""
    file = run / "verdicts.jsonl"
    rows = change([json.loads(line) for line in file.read_text().splitlines()])
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
