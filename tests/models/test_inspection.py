"""What a checkpoint is, without loading it."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_data import GOLDEN_NAMES, Golden
from models.checkpoint_files import change_config, read_tensors, shard, write_tensors

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


def test_types_and_shards_are_counted(coda: Path) -> None:
    """Matrices in bfloat16 and norms in float32, in two files."""
    tensors = read_tensors(coda)
    write_tensors(coda, {name: x.astype(jnp.bfloat16) if x.ndim == 2 else x for name, x in tensors.items()})
    shards = shard(coda, index=True)
    found = inspect_checkpoint(coda, None)
    matrices = sum(tensor.ndim == 2 for tensor in tensors.values())
    assert (found.problems, found.dtypes) == ((), {"BF16": matrices, "F32": len(tensors) - matrices})
    assert found.files == {name: (coda / name).stat().st_size for name in shards}


def test_quantized_tensors_are_a_problem(coda: Path) -> None:
    """They would need their scales; what can be loaded is said."""
    write_tensors(coda, {**read_tensors(coda), "lm_head.weight": np.zeros((384, 64), np.int8)})
    (problem,) = inspect_checkpoint(coda, None).problems
    assert problem.endswith("tensor 'lm_head.weight' is of type I8, not F32 or F16 or BF16")


def test_the_language_model_of_gemma_3_is_found_beside_a_vision_tower(tmp_path: Path) -> None:
    """It loads as it does alone, and what is left out is named."""
    golden = Golden("gemma3-tiny").directory
    config = json.loads((golden / "config.json").read_text())
    ids = {name: config.pop(name) for name in ("eos_token_id", "pad_token_id")}
    change_config(tmp_path, model_type="gemma3", text_config=config, vision_config={"hidden_size": 8}, **ids)
    language = {f"language_model.{name}": tensor for name, tensor in read_tensors(golden).items()}
    rest = ("vision_tower.encoder.a", "vision_tower.encoder.b", "multi_modal_projector.c")
    write_tensors(tmp_path, language | {name: np.zeros(8, np.float32) for name in rest})
    found = inspect_checkpoint(tmp_path, None)
    assert (found.family, found.problems) == ("gemma3", ())
    assert found.left_out == {"vision_tower": 2, "multi_modal_projector": 1}
    assert found.parameters == inspect_checkpoint(golden, None).parameters
    alone, beside = (load_checkpoint(directory).parameters for directory in (golden, tmp_path))
    jax.tree.map(np.testing.assert_array_equal, beside, alone)
