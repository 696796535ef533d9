"""Checkpoints that a test may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from golden_data import GOLDEN_NAMES, Golden
from models.forwards import Forwards

from coda_eval.models.checkpoint import load_checkpoint


def copy_checkpoint(name: str, directory: Path) -> Path:
    """A copy of a tiny checkpoint, without its reference outputs."""
    directory.mkdir()
    for file in ("config.json", "model.safetensors"):
        shutil.copyfile(Golden(name).directory / file, directory / file)
    return directory


@pytest.fixture
def coda(tmp_path: Path) -> Path:
    """Masked diffusion, with a head of its own."""
    return copy_checkpoint("coda-tiny", tmp_path / "coda")


@pytest.fixture
def qwen3(tmp_path: Path) -> Path:
    """Causal, with a tied head."""
    return copy_checkpoint("qwen3-tiny", tmp_path / "qwen3")


@pytest.fixture(scope="session", params=GOLDEN_NAMES)
def family(request: pytest.FixtureRequest) -> Forwards:
    """A tiny checkpoint of each family."""
    return Forwards(load_checkpoint(Golden(request.param).directory))
