"""Weights load strictly: every tensor has a place, every place a tensor of its shape."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_data import GOLDEN_NAMES, Golden
from models.checkpoint_files import INDEX, WEIGHTS, change_config, read_tensors, shard, write_tensors

from coda_eval.errors import CheckpointError
from coda_eval.models.checkpoint import CheckpointModel, load_checkpoint, read_config
from coda_eval.models.families import family_of
from coda_eval.models.tensors import list_tensors, weight_files
from coda_eval.models.weights import load_decoder, save_decoder

GATE = "model.layers.1.mlp.gate_proj.weight"
"""[160, 64] in both tiny checkpoints."""


@pytest.fixture(scope="module")
def reference() -> CheckpointModel:
    """The undamaged weights."""
    return load_checkpoint(Golden("coda-tiny").directory)


def assert_equal_weights(model: CheckpointModel, reference: CheckpointModel) -> None:
    """Every parameter, bit for bit."""
    jax.tree.map(np.testing.assert_array_equal, model.parameters, reference.parameters)


def test_a_missing_tensor_is_named_with_its_shape(coda: Path) -> None:
    """Not filled with random numbers, as some loaders do."""
    tensors = read_tensors(coda)
    del tensors[GATE]
    write_tensors(coda, tensors)
    with pytest.raises(CheckpointError, match=rf"{re.escape(repr(GATE))} of shape \(160, 64\) is missing"):
        load_checkpoint(coda)


@pytest.mark.parametrize("extra", ["model.layers.0.self_attn.q_proj.bias", "model.layers.3.mlp.up_proj.weight"])
def test_a_tensor_without_a_place_is_named(coda: Path, extra: str) -> None:
    """A bias that the family does not have, or a layer that config.json does not count."""
    write_tensors(coda, {**read_tensors(coda), extra: np.zeros(64, np.float32)})
    with pytest.raises(CheckpointError, match=rf"{WEIGHTS}: tensor '{re.escape(extra)}' has no place .* 3 layers"):
        load_checkpoint(coda)


def test_all_misplaced_tensors_are_counted(coda: Path) -> None:
    """The first by name, and how many more."""
    write_tensors(coda, {**read_tensors(coda), "b": np.zeros(1, np.float32), "a": np.zeros(1, np.float32)})
    with pytest.raises(CheckpointError, match=r"tensor 'a' has no place .*, and 1 more"):
        load_checkpoint(coda)


def test_a_transposed_tensor_is_named_with_both_shapes(coda: Path) -> None:
    """As many numbers are not enough."""
    tensors = read_tensors(coda)
    write_tensors(coda, {**tensors, GATE: tensors[GATE].T})
    with pytest.raises(CheckpointError, match=rf"{re.escape(repr(GATE))} has shape \(64, 160\); .* \(160, 64\)"):
        load_checkpoint(coda)


def test_a_vocabulary_of_another_size_is_an_error_with_both_shapes(coda: Path) -> None:
    """What config.json says, and what the tensor is."""
    rows, width = read_tensors(coda)["model.embed_tokens.weight"].shape
    change_config(coda, vocab_size=rows + 8)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(coda)
    assert "lm_head.weight" in str(caught.value)
    assert f"{rows}, {width}" in str(caught.value)
    assert f"{rows + 8}, {width}" in str(caught.value)


@pytest.mark.parametrize("kept", [0, 100, -1], ids=["empty", "in the header", "in the data"])
def test_a_truncated_file_is_named(coda: Path, kept: int) -> None:
    """An interrupted download is recognised wherever it broke off."""
    file = coda / WEIGHTS
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=rf"{WEIGHTS}: not a whole safetensors file .* download it again"):
        load_checkpoint(coda)


def test_a_directory_without_weights_is_refused(coda: Path) -> None:
    """One line that says what is needed."""
    (coda / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=r"holds no model\*\.safetensors file"):
        load_checkpoint(coda)


@pytest.mark.parametrize("index", [True, False])
def test_shards_hold_the_same_weights(coda: Path, reference: CheckpointModel, *, index: bool) -> None:
    """CoDA's release has had shards without an index."""
    shard(coda, index=index)
    assert_equal_weights(load_checkpoint(coda), reference)


def test_a_shard_that_the_index_names_must_be_there(coda: Path) -> None:
    """The missing file is named rather than its tensors."""
    first, _ = shard(coda, index=True)
    (coda / first).unlink()
    with pytest.raises(CheckpointError, match=f"lacks {first}, named in {INDEX}"):
        load_checkpoint(coda)


def test_files_that_the_index_does_not_name_are_left_alone(coda: Path, reference: CheckpointModel) -> None:
    """A leftover of an earlier save does not count as a second copy."""
    leftover = (coda / WEIGHTS).read_bytes()
    shard(coda, index=True)
    (coda / WEIGHTS).write_bytes(leftover)
    assert_equal_weights(load_checkpoint(coda), reference)


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "{}"])
def test_a_damaged_index_is_named(coda: Path, content: str) -> None:
    """Not JSON, or not an index."""
    (coda / INDEX).write_text(content)
    with pytest.raises(CheckpointError, match=f"{INDEX}: not an index of shards"):
        load_checkpoint(coda)


def test_a_tensor_in_two_files_is_named_with_both(coda: Path) -> None:
    """Without an index nothing says which one is meant."""
    write_tensors(coda, {GATE: read_tensors(coda)[GATE]}, file="model-2.safetensors")
    with pytest.raises(
        CheckpointError, match=rf"{re.escape(repr(GATE))} is both in model-2.safetensors and in {WEIGHTS}"
    ):
        load_checkpoint(coda)


def test_weights_are_cast_to_the_dtype_asked_for(reference: CheckpointModel) -> None:
    """Float32 files load as bfloat16, rounded to nearest."""
    model = load_checkpoint(Golden("coda-tiny").directory, dtype="bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(model.parameters)} == {jnp.dtype("bfloat16")}
    rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), reference.parameters)
    jax.tree.map(np.testing.assert_array_equal, model.parameters, rounded)


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_saved_weights_equal_the_loaded_file(name: str, tmp_path: Path) -> None:
    """Loading and saving are inverse: the same names, layouts and numbers."""
    directory = Golden(name).directory
    hf_config = read_config(directory)
    family = family_of(hf_config)
    config = family.read_config(hf_config, list_tensors(directory))
    decoder = load_decoder(directory, config, family, dtype="float32")
    save_decoder(decoder, family, tmp_path, dtype=jnp.dtype("float32"))
    saved = read_tensors(tmp_path)
    original = {
        name: tensor for file in weight_files(directory) for name, tensor in read_tensors(directory, file.name).items()
    }
    assert saved.keys() == original.keys()
    for tensor, expected in original.items():
        np.testing.assert_array_equal(saved[tensor], expected, err_msg=tensor)


def test_bfloat16_files_load_exactly(coda: Path, reference: CheckpointModel) -> None:
    """What is saved in bfloat16 comes back as those numbers, in float32."""
    tensors = {name: tensor.astype(jnp.bfloat16) for name, tensor in read_tensors(coda).items()}
    write_tensors(coda, tensors)
    rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16).astype(jnp.float32), reference.parameters)
    jax.tree.map(np.testing.assert_array_equal, load_checkpoint(coda).parameters, rounded)
