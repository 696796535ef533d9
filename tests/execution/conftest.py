"""Executors to test with. Docker tests skip where there is no engine or image, unless they are required."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.errors import SandboxError
from coda_eval.execution import Executor, open_executor
from coda_eval.execution.image import find_image

TIMEOUT_S = 1.0
MEMORY_MB = 256
EXECUTORS = ["local", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(scope="session")
def docker_ready() -> None:
    """The engine answers and has the image of these sources."""
    try:
        find_image()
    except SandboxError as error:
        if os.environ.get("CODA_EVAL_REQUIRE_DOCKER") == "1":
            pytest.fail(f"CODA_EVAL_REQUIRE_DOCKER is 1, but {error}")
        pytest.skip(str(error))


@pytest.fixture
def config(kind: str, request: pytest.FixtureRequest) -> ExecutionConfig:
    """Small limits, two sandboxes."""
    if kind == "docker":
        request.getfixturevalue("docker_ready")
    return ExecutionConfig(executor=kind, timeout_s=TIMEOUT_S, memory_mb=MEMORY_MB, workers=2)


@pytest.fixture(scope="session")
def running_executors() -> Iterator[dict[str, Executor]]:
    """Executors that are started once and shared, by kind."""
    executors: dict[str, Executor] = {}
    yield executors
    for executor in executors.values():
        executor.__exit__(None, None, None)


@pytest.fixture
def executor(kind: str, config: ExecutionConfig, running_executors: dict[str, Executor]) -> Executor:
    """A running executor of that kind; every test shares it, as every program does."""
    if kind not in running_executors:
        running_executors[kind] = open_executor(config).__enter__()
    return running_executors[kind]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that takes an executor runs with both kinds, unless it chooses for itself."""
    chosen = any("kind" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "kind" in metafunc.fixturenames and not chosen:
        metafunc.parametrize("kind", EXECUTORS)
