"""Settings for all tests: JAX at its strictest, eight CPU devices, no network."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Speed is measured by benches, not by tests.
settings.register_profile("coda-eval", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("coda-eval")

# Before JAX is imported anywhere.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
# Equal programs of different tests are compiled once; programs of other versions stay out.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="coda-eval-tests-"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

pytest_plugins = ["completion_server"]

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves out what is marked `exhaustive`, unless it is asked for."""
    if os.environ.get("CODA_EVAL_EXHAUSTIVE") == "1":
        return
    for item in items:
        if item.get_closest_marker("exhaustive"):
            item.add_marker(pytest.mark.skip(reason="exhaustive (CODA_EVAL_EXHAUSTIVE=1)"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory of official data and reference outputs; a test that needs it is skipped where it is absent."""
    directory = Path(os.environ.get("CODA_EVAL_SHARED", REPOSITORY.parent / "shared"))
    if not directory.is_dir():
        pytest.skip(f"no shared data at {directory} (CODA_EVAL_SHARED)")
    return directory
