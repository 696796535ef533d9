"""Checkpoints as a training in Flax saves them."""

from __future__ import annotations

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from golden_data import Golden
from models.checkpoint_files import WEIGHTS, change_config

from coda_eval.errors import CheckpointError
from coda_eval.models.checkpoint import CheckpointModel, checkpoint_sha256, load_checkpoint
from coda_eval.models.inspection import inspect_checkpoint
from coda_eval.models.orbax_checkpoint import save_orbax


@pytest.fixture(scope="module")
def reference() -> CheckpointModel:
    """From safetensors."""
    return load_checkpoint(Golden("coda-tiny").directory)


@pytest.fixture(scope="module")
def saved(reference: CheckpointModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, its parameters in Orbax' format."""
    directory = tmp_path_factory.mktemp("orbax")
    shutil.copyfile(Golden("coda-tiny").directory / "config.json", directory / "config.json")
    save_orbax(nnx.merge(reference._graph, reference.parameters), directory / "parameters")
    return directory


@pytest.fixture
def orbax(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def test_an_orbax_checkpoint_holds_the_same_model(saved: Path, reference: CheckpointModel) -> None:
    """Bit for bit, with the same head and special tokens."""
    model = load_checkpoint(saved)
    assert (model.config, model.fill_id, model.stop_ids) == (reference.config, reference.fill_id, reference.stop_ids)
    jax.tree.map(np.testing.assert_array_equal, model.parameters, reference.parameters)


def test_it_is_inspected_as_other_checkpoints_are(saved: Path) -> None:
    """It has as many parameters as its safetensors original, in fewer tensors, and is not loaded as int8."""
    found, original = (inspect_checkpoint(path, None) for path in (saved, Golden("coda-tiny").directory))
    assert (found.problems, found.parameters, found.tied_head) == ((), original.parameters, False)
    assert found.weights_bytes == {dtype: original.weights_bytes[dtype] for dtype in ("float32", "bfloat16")}
    assert found.dtypes.keys() == {"float32"}
    assert found.files.keys() == {"parameters"}


def test_all_that_is_wrong_with_it_is_listed(orbax: Path) -> None:
    """Where loading stops at the first."""
    change_config(orbax, intermediate_size=8)
    assert [problem.partition(" has shape")[0] for problem in inspect_checkpoint(orbax, None).problems] == [
        f"parameter 'layers.feed_forward.{name}'" for name in ("down_df", "gate_fd", "up_fd")
    ]


def test_it_is_cast_on_the_way(saved: Path) -> None:
    """As other checkpoints are."""
    assert {leaf.dtype.name for leaf in jax.tree.leaves(load_checkpoint(saved, dtype="bfloat16").parameters)} == {
        "bfloat16"
    }


def test_a_misshapen_parameter_is_named_with_both_shapes(orbax: Path) -> None:
    """As a tensor is."""
    change_config(orbax, intermediate_size=96)
    with pytest.raises(CheckpointError, match=r"down_df' has shape \(3, 64, 160\); config.json asks for \(3, 64, 96\)"):
        load_checkpoint(orbax)


def test_int8_is_refused(saved: Path) -> None:
    """With what to do."""
    with pytest.raises(CheckpointError, match="int8 needs safetensors files"):
        load_checkpoint(saved, dtype="int8")


def test_a_damaged_checkpoint_is_one_line(orbax: Path) -> None:
    """Whatever its storage raises."""
    (orbax / "parameters" / "_METADATA").write_text("{")
    with pytest.raises(
        CheckpointError, match=r"parameters: not a whole Orbax checkpoint \(.*\); save it again"
    ) as caught:
        load_checkpoint(orbax)
    assert "\n" not in str(caught.value)


def test_two_checkpoints_in_one_directory_are_refused(orbax: Path) -> None:
    """Steps of a training, say: nothing says which one is meant."""
    shutil.copytree(orbax / "parameters", orbax / "later")
    with pytest.raises(CheckpointError, match=r"several Orbax checkpoints \(later, parameters\)"):
        load_checkpoint(orbax)


def test_safetensors_beside_it_are_ambiguous(orbax: Path) -> None:
    """One of the two is out of date."""
    shutil.copyfile(Golden("coda-tiny").directory / WEIGHTS, orbax / WEIGHTS)
    with pytest.raises(CheckpointError, match="both safetensors files and an Orbax checkpoint"):
        load_checkpoint(orbax)


def test_the_hash_covers_the_parameters(orbax: Path) -> None:
    """Of every file that Orbax wrote."""
    before = checkpoint_sha256(orbax)
    (orbax / "parameters" / "another").write_text("x")
    assert checkpoint_sha256(orbax) != before
