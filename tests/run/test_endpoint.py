"""A run against an endpoint: no model here, and no JAX."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from completion_server import Serve, Server, completion

from coda_eval.config import EndpointConfig, ExecutionConfig, RunConfig, SamplerConfig
from coda_eval.errors import ConfigError, EndpointError
from coda_eval.points import read_points
from coda_eval.run.evaluate import evaluate
from coda_eval.store import RunDirectory
from coda_eval.tasks import load_task

SECRET = "sk-very-secret"


def config(server: Server, **changes: Any) -> RunConfig:
    given: dict[str, Any] = {
        "model": f"openai:a-model-base@{server.base_url}",
        "task": "mini",
        "limit": 4,
        "sampler": SamplerConfig(batch_size=2),
        "execution": ExecutionConfig(executor="local", workers=1),
        "endpoint": EndpointConfig(retries=0),
        **changes,
    }
    return RunConfig(**given)


def canonical(server: Server, body: dict[str, Any]) -> tuple[int, bytes]:
    """What the benchmark's authors wrote."""
    solutions = {problem.prompt: problem.canonical_solution for problem in load_task("mini").problems}
    return 200, completion(solutions[body["prompt"]])


def test_an_endpoint_is_evaluated_like_a_model(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged, timed, and drawn beside others; the key is in no file."""
    monkeypatch.setenv("CODA_EVAL_API_KEY", SECRET)
    metrics = evaluate(config(serve(canonical)), tmp_path / "run", quiet=True)
    assert metrics.pass_at_k["base"]["pass@1"].value == 1.0
    assert metrics.latency.total_s is not None
    assert metrics.latency.tokens_per_s is not None
    samples = list(RunDirectory(tmp_path / "run").samples())
    assert [sample.batch for sample in samples] == [0, 0, 1, 1]
    assert {(sample.tokens, sample.nfe_full) for sample in samples} == {(5, None)}
    (point,) = read_points([tmp_path / "run"])
    assert point.hardware.startswith("endpoint http://127.0.0.1")
    assert not any(SECRET in file.read_text() for file in (tmp_path / "run").iterdir())


def test_an_endpoint_that_fails_loses_nothing(serve: Serve, tmp_path: Path) -> None:
    """What came before is kept, and the same command goes on."""

    def two_then_none(server: Server, body: dict[str, Any]) -> tuple[int, bytes]:
        return canonical(server, body) if len(server.requests) <= 2 else (500, b"{}")

    server = serve(two_then_none)
    with pytest.raises(EndpointError, match="500"):
        evaluate(config(server), tmp_path / "run", quiet=True)
    assert len(list(RunDirectory(tmp_path / "run").samples())) == 2
    server.answer = canonical
    assert evaluate(config(server), tmp_path / "run", quiet=True).samples == 4
    assert len(server.requests) == 2 + 2 + 2


def test_settings_that_no_endpoint_understands_are_refused(serve: Serve, tmp_path: Path) -> None:
    """Rather than passed over in silence."""
    with pytest.raises(ConfigError, match="--steps means nothing to an endpoint"):
        evaluate(config(serve(canonical), sampler=SamplerConfig(steps=4)), tmp_path / "run", quiet=True)


def test_jax_is_not_loaded_for_an_endpoint() -> None:
    """A laptop without an accelerator can do it."""
    source = "import sys, coda_eval.run.evaluate; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", source], timeout=120, check=False).returncode == 0
