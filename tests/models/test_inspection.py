"""What a checkpoint is, without loading it."""

from __future__ import annotations

from pathlib import Path

import jax
import pytest
from golden_data import GOLDEN_NAMES, Golden
from models.checkpoint_files import read_tensors, write_tensors

from coda_eval.models.checkpoint import load_checkpoint
from coda_eval.models.inspection import inspect_checkpoint


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_sizes_are_those_of_the_loaded_model(name: str) -> None:
    """Parameters, and the bytes that they take as each dtype."""
    found = inspect_checkpoint(Golden(name).directory, None)
    assert found.problems == ()
    for dtype, size in found.weights_bytes.items():
        leaves = jax.tree.leaves(load_checkpoint(Golden(name).directory, dtype=dtype).parameters)
        assert size == sum(leaf.nbytes for leaf in leaves)
    assert found.parameters == found.weights_bytes["float32"] // 4


def test_all_problems_are_listed(coda: Path) -> None:
    """Missing, extra and misshapen tensors, where loading stops at the first."""
    tensors = read_tensors(coda)
    del tensors["model.norm.weight"]
    tensors["model.extra"] = tensors["lm_head.weight"]
    tensors["lm_head.weight"] = tensors["lm_head.weight"].T
    write_tensors(coda, tensors)
    problems = inspect_checkpoint(coda, None).problems
    assert ["'model.extra' has no place" in problems[0], "'model.norm.weight' of shape (64,) is missing" in problems[1]]
    assert "'lm_head.weight' has shape (64, 384); config.json asks for (384, 64)" in problems[2]
    assert len(problems) == 3
