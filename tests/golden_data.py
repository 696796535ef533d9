"""The reference outputs: where they are, and what is in one folder of them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

_TESTS = Path(__file__).resolve().parent
_SHARED = Path(os.environ.get("CODA_EVAL_SHARED", _TESTS.parent.parent / "shared")) / "golden"
GOLDEN = _SHARED if _SHARED.is_dir() else _TESTS / "golden"
"""Where the shared data are at hand, those; otherwise the copies in the repository."""

GOLDEN_NAMES = sorted(file.parent.name for file in GOLDEN.glob("*/golden.json"))
"""One folder a family."""


@dataclass(frozen=True)
class Golden:
    """One checkpoint with what its reference implementation computes from it."""

    name: str

    @property
    def directory(self) -> Path:
        """Hugging Face layout."""
        return GOLDEN / self.name

    @cached_property
    def description(self) -> dict[str, Any]:
        """`golden.json`."""
        content: dict[str, Any] = json.loads((self.directory / "golden.json").read_text())
        return content

    @cached_property
    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """`golden.safetensors`."""
        return load_file(self.directory / "golden.safetensors")
