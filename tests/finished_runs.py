"""Run directories as a run leaves them, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coda_eval.records import Sample, Status, Verdict
from coda_eval.scoring import ScoringPlan, compute_metrics
from coda_eval.store import RunWriter

PROBLEMS = 5


def finished_run(
    path: Path,
    *,
    model: str = "a-model",
    task: str = "mini",
    protocol: str = "human-eval",
    device: str = "TPU v5 lite",
    solved: int | Sequence[int] = 3,
    problems: int = PROBLEMS,
    seconds: float | None = 0.4,
    tokens: int | None = 12,
    batch_size: int = 5,
    completion: str = "    return 1\n",
    sampler: Mapping[str, Any] | None = None,
) -> Path:
    """A run of one sample a problem.

    Args:
        path: the run directory.
        model, task, protocol, device: what the manifest says.
        solved: so many of the first problems, or the indices of those.
        problems: how many.
        seconds: what a completion costs; None for completions from elsewhere.
        tokens: useful tokens of a completion.
        batch_size: samples that share a batch.
        completion: the text of every sample.
        sampler: settings beside the default ones.
    """
    solved = range(solved) if isinstance(solved, int) else solved
    settings = {"algorithm": "entropy", "steps": 8, "max_new_tokens": 16, "seed": 0, **(sampler or {})}
    identity = {
        "task": task,
        "task_version": 1,
        "protocol": protocol,
        "model_sha256": model,
        "dtype": "float32",
        "sampler": settings,
    }
    facts = {"device": device, "devices": 1, "config": {"model": model, "sampler": {"batch_size": batch_size}}}
    with RunWriter(path, identity=identity, facts=facts) as writer:
        for number in range(problems):
            batch = number // batch_size
            rows = min(batch_size, problems - batch * batch_size)
            sample = Sample(
                task_id=f"{task}/{number}",
                sample=0,
                prompt_sha256="",
                completion=completion,
                solution=f"def f():\n{completion}",
                stop_reason="stop_token",
                tokens=None if seconds is None else tokens,
                nfe_full=None if seconds is None else int(settings["steps"]),
                nfe_window=None if seconds is None else 0,
                latency_s=None if seconds is None else seconds * rows,
                batch=None if seconds is None else batch,
                seed=settings["seed"],
            )
            writer.append_sample(sample)
            status = Status.PASSED if number in solved else Status.FAILED
            writer.append_verdict(
                Verdict(task_id=sample.task_id, sample=0, suite="base", status=status, cpu_s=0.01, wall_s=0.02)
            )
        plan = ScoringPlan(task=task, protocol=protocol, suites=["base"])
        writer.write_metrics(compute_metrics(writer.run.samples(), writer.run.verdicts(), plan))
    return path


def sweep_directory(path: Path) -> Path:
    """A sweep's directory without points: put runs into `points/`."""
    (path / "points").mkdir(parents=True)
    (path / "sweep.json").write_text("{}")
    return path
