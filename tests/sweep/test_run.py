"""A sweep from end to end, with the embedded models and the local executor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.errors import CodaEvalError
from coda_eval.points import read_points
from coda_eval.run.workbench import ModelShelf
from coda_eval.store import RunDirectory
from coda_eval.sweep.plan import SweepConfig
from coda_eval.sweep.run import SweepOutcome, run_sweep

THRESHOLDS = [0.5, 0.7, 0.8, 0.9, 0.95]


def config(**changes: Any) -> SweepConfig:
    """Five thresholds on two problems; rounding of the scores is not what is tested."""
    given: dict[str, Any] = {
        "task": "mini",
        "models": ("coda-tiny",),
        "limit": 2,
        "settings": {"batch_size": 2, "max_new_tokens": 16},
        "grids": ({"threshold": THRESHOLDS},),
        "execution": ExecutionConfig(executor="local", workers=1),
        **changes,
    }
    return SweepConfig(**given)


@pytest.fixture(scope="module")
def models() -> ModelShelf:
    """Loaded, and compiled for, once for all tests."""
    return ModelShelf()


class Swept:
    """What happened in a sweep."""

    def __init__(self, out: Path, shelf: ModelShelf, **changes: Any) -> None:
        self.out = out
        self.said: list[str] = []
        self.outcome: SweepOutcome = run_sweep(config(**changes), out, models=shelf, say=self.said.append)


@pytest.fixture(scope="module")
def thresholds(models: ModelShelf, tmp_path_factory: pytest.TempPathFactory) -> tuple[Swept, int]:
    """The sweep, and how often XLA compiled a loop of decoding for it."""
    compilations = 0

    def count(event: str, duration: float, **about: Any) -> None:
        nonlocal compilations
        compilations += event == "/jax/core/compile/backend_compile_duration" and about.get("fun_name") in LOOPS

    jax.monitoring.register_event_duration_secs_listener(count)
    swept = Swept(tmp_path_factory.mktemp("sweep") / "sweep", models)
    jax.monitoring.unregister_event_duration_listener(count)
    return swept, compilations


LOOPS = ("denoise", "jit(denoise)", "jit_denoise")


def scores(out: Path) -> dict[str, Any]:
    """Everything but times, by point."""
    runs = [measured for point in read_points([out]) for measured in point.runs]
    return {
        run.path.name: (
            metrics.pass_at_k,
            metrics.statuses,
            sorted((sample.task_id, sample.completion, sample.nfe_full) for sample in run.samples()),
        )
        for run, metrics in runs
    }


def test_every_point_is_a_run_of_its_own(thresholds: tuple[Swept, int]) -> None:
    """In the format of `coda-eval run`, complete."""
    swept, _ = thresholds
    assert swept.outcome == SweepOutcome(points=5, failures=())
    runs = [RunDirectory(path) for path in (swept.out / "points").iterdir()]
    assert sorted(run.manifest["identity"]["sampler"]["threshold"] for run in runs) == THRESHOLDS
    assert all(run.metrics() is not None for run in runs)


def test_thresholds_compile_once(thresholds: tuple[Swept, int]) -> None:
    """They are traced: another value is no other program."""
    _, compilations = thresholds
    assert compilations == 1


def test_it_says_what_is_left(thresholds: tuple[Swept, int]) -> None:
    """A line a point, with the time for the rest."""
    swept, _ = thresholds
    assert swept.said[0] == "5 points, 0 of them done"
    assert swept.said[1].startswith("[1/5] ")
    assert swept.said[1].endswith(" left")


def test_what_is_done_is_not_done_again(thresholds: tuple[Swept, int], models: ModelShelf) -> None:
    """The same command finds nothing to do."""
    swept, _ = thresholds
    again = Swept(swept.out, models)
    assert again.said == ["5 points, 5 of them done"]


def test_a_sweep_goes_on_where_it_was_interrupted(
    thresholds: tuple[Swept, int], models: ModelShelf, tmp_path: Path
) -> None:
    """One point is whole, one is torn in the middle of a line: the end is the same but for times."""
    swept, _ = thresholds
    whole, torn = sorted((swept.out / "points").iterdir())[:2]
    points = tmp_path / "sweep" / "points"
    for source in (whole, torn):
        (points / source.name).mkdir(parents=True)
        for file in source.iterdir():
            (points / source.name / file.name).write_bytes(file.read_bytes())
    (tmp_path / "sweep" / "sweep.json").write_bytes((swept.out / "sweep.json").read_bytes())
    (points / torn.name / "metrics.json").unlink()
    samples = points / torn.name / "samples.jsonl"
    samples.write_bytes(samples.read_bytes()[:-20])
    resumed = Swept(tmp_path / "sweep", models)
    assert resumed.said[0] == "5 points, 1 of them done"
    assert scores(resumed.out) == scores(swept.out)


def test_a_point_that_fails_is_recorded_and_the_rest_goes_on(models: ModelShelf, tmp_path: Path) -> None:
    """A canvas that the model has no positions for."""
    grids = ({"threshold": [0.5], "max_new_tokens": [16, 100_000]},)
    swept = Swept(tmp_path / "sweep", models, grids=grids)
    assert swept.outcome.points == 2
    (failure,) = swept.outcome.failures
    assert "100000" in failure
    row = json.loads((swept.out / "failures.jsonl").read_text())
    assert "ConfigError" in row["error"]
    assert len(read_points([swept.out])) == 1


@pytest.mark.parametrize(
    "change", [{"baselines": ("coda-tiny-arr",)}, {"baselines": ("openai:model",)}, {"models": ("./nowhere",)}]
)
def test_a_model_that_does_not_exist_is_known_before_anything_runs(
    models: ModelShelf, tmp_path: Path, change: dict[str, Any]
) -> None:
    """No directory is made."""
    with pytest.raises(CodaEvalError):
        Swept(tmp_path / "sweep", models, **change)
    assert not (tmp_path / "sweep").exists()


def test_a_repeat_decodes_again_and_executes_nothing_again(models: ModelShelf, tmp_path: Path) -> None:
    """Equal programs have one verdict, to the microsecond; times of the model are measured anew."""
    swept = Swept(tmp_path / "sweep", models, grids=({"threshold": [0.9]},), repeats=2)
    (point,) = read_points([swept.out])
    first, second = (run for run, _ in point.runs)
    assert [verdict.wall_s for verdict in first.verdicts()] == [verdict.wall_s for verdict in second.verdicts()]
    assert [sample.latency_s for sample in first.samples()] != [sample.latency_s for sample in second.samples()]
