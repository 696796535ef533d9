"""A model on a task, from end to end, with the embedded model and the local executor."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from coda_eval.config import ExecutionConfig, RunConfig, SamplerConfig
from coda_eval.errors import ConfigError, StoreError
from coda_eval.records import LatencySummary, Metrics
from coda_eval.run.evaluate import evaluate
from coda_eval.store import RunDirectory

CONFIG = RunConfig(
    model="coda-tiny",
    task="mini",
    samples=2,
    limit=4,
    sampler=SamplerConfig(steps=4, batch_size=3, temperature=0.8),
    execution=ExecutionConfig(executor="local", workers=1),
)
"""Eight completions in three batches, the last one short."""


def without_times(metrics: Metrics) -> Metrics:
    """What must be equal however a run came about."""
    latency = LatencySummary(nfe_full=metrics.latency.nfe_full, nfe_window=metrics.latency.nfe_window)
    return dataclasses.replace(metrics, latency=latency)


def completions(out: Path) -> dict[tuple[str, int], str]:
    return {(sample.task_id, sample.sample): sample.completion for sample in RunDirectory(out).samples()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Metrics]:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("evaluate") / "run"
    return out, evaluate(CONFIG, out, quiet=True)


def test_every_completion_is_there_with_its_verdict(finished: tuple[Path, Metrics]) -> None:
    """Two samples of each of four problems; the manifest says what made them."""
    out, metrics = finished
    run = RunDirectory(out)
    samples, verdicts = list(run.samples()), list(run.verdicts())
    assert len(samples) == len(verdicts) == metrics.samples == 8
    assert metrics.unscored == 0
    assert {sample.batch for sample in samples} == {0, 1, 2}
    assert all(sample.nfe_full is not None and 1 <= sample.nfe_full <= 4 for sample in samples)
    identity = run.manifest["identity"]
    assert isinstance(identity, dict)
    assert identity["sampler"]["algorithm"] == "entropy"
    assert identity["execution"]["isolation"] == "none"
    assert run.manifest["attention"] == "xla"


@pytest.mark.parametrize("kept", [0, 1, 4], ids=lambda kept: f"{kept} samples kept")
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    finished: tuple[Path, Metrics], tmp_path: Path, kept: int
) -> None:
    """Whatever line it stopped at, also within a line, and though batches are cut short by what is there."""
    out, metrics = finished
    for name in ("manifest.json", "samples.jsonl", "verdicts.jsonl"):
        text = (out / name).read_text()
        if name == "samples.jsonl":
            lines = text.splitlines(keepends=True)
            text = "".join(lines[:kept]) + lines[kept][:40]
        elif name == "verdicts.jsonl":
            text = "".join(text.splitlines(keepends=True)[: max(0, kept - 1)])
        (tmp_path / name).write_text(text)
    resumed = evaluate(CONFIG, tmp_path, quiet=True)
    assert without_times(resumed) == without_times(metrics)
    assert completions(tmp_path) == completions(out)
    assert len((tmp_path / "samples.jsonl").read_text().splitlines()) == 8


def test_completions_do_not_depend_on_the_batch_size(finished: tuple[Path, Metrics], tmp_path: Path) -> None:
    """Temperature 0.8: the draws are a sample's own."""
    config = dataclasses.replace(CONFIG, sampler=dataclasses.replace(CONFIG.sampler, batch_size=5))
    evaluate(config, tmp_path / "run", quiet=True)
    assert completions(tmp_path / "run") == completions(finished[0])


def test_another_setting_is_refused_in_the_same_directory(finished: tuple[Path, Metrics]) -> None:
    """The message names the field with both values."""
    config = dataclasses.replace(CONFIG, sampler=dataclasses.replace(CONFIG.sampler, steps=8))
    with pytest.raises(StoreError, match=r"steps.*4.*8|steps.*8.*4"):
        evaluate(config, finished[0], quiet=True)


def test_more_samples_extend_a_finished_run(finished: tuple[Path, Metrics], tmp_path: Path) -> None:
    """What is there is kept and not made again."""
    for path in finished[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = completions(tmp_path)
    metrics = evaluate(dataclasses.replace(CONFIG, samples=3), tmp_path, quiet=True)
    assert metrics.samples == 12
    assert before.items() <= completions(tmp_path).items()


def test_an_algorithm_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    """Before anything is written."""
    config = dataclasses.replace(CONFIG, sampler=SamplerConfig(algorithm="autoregressive"))
    with pytest.raises(ConfigError, match="autoregressive"):
        evaluate(config, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_metrics_on_disk_are_those_returned(finished: tuple[Path, Metrics]) -> None:
    """`metrics.json` is read back as the same record, and is plain JSON."""
    out, metrics = finished
    assert RunDirectory(out).metrics() == metrics
    assert json.loads((out / "metrics.json").read_text())["samples"] == 8
