"""Training is decided by its recipe alone, however often it is interrupted."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from transformers import PreTrainedTokenizerFast

from coda_eval.errors import StoreError
from coda_eval.models.decoder import Decoder
from coda_eval.training.trainer import train


@pytest.fixture(autouse=True)
def _standard_promotion() -> Iterator[None]:
    """Optax takes powers with integer counters, which the strict promotion of the tests forbids."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def weights(decoder: Decoder) -> Any:
    """By name, on the host."""
    return jax.device_get(nnx.to_pure_dict(nnx.state(decoder, nnx.Param)))


def ignore(step: int, loss: float) -> None:
    """No progress bar."""


def test_each_step_reports_a_loss(trained: Any) -> None:
    """A number for every step of the recipe."""
    assert len(trained.losses) == trained.recipe.steps
    assert np.isfinite(trained.losses).all()


def test_every_weight_is_trained(trained: Any) -> None:
    """Matrices by Muon, the others by Adam."""
    before = weights(Decoder(trained.recipe.architecture, rngs=nnx.Rngs(trained.recipe.seed)))
    changed = jax.tree.map(lambda old, new: bool((old != new).any()), before, weights(trained.decoder))
    assert all(jax.tree.leaves(changed)), changed


def test_an_interrupted_training_ends_with_the_same_weights(
    trained: Any, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """Bit for bit: batches, noise, optimiser and schedule go on from the last state on disk."""
    state_file = tmp_path / "small.state"
    shutil.copyfile(trained.halfway_file, state_file)
    losses: dict[int, float] = {}
    decoder = train(trained.recipe, tokenizer, state_file=state_file, on_step=losses.__setitem__)
    assert losses == {step: trained.losses[step - 1] for step in (4, 5, 6)}
    jax.tree.map(np.testing.assert_array_equal, weights(decoder), weights(trained.decoder))
    assert state_file.read_bytes() == trained.state_file.read_bytes()


def test_a_finished_training_is_not_done_again(trained: Any, tokenizer: PreTrainedTokenizerFast) -> None:
    """Its state gives the model at once."""
    steps: list[int] = []
    decoder = train(
        trained.recipe, tokenizer, state_file=trained.state_file, on_step=lambda step, _: steps.append(step)
    )
    assert steps == []
    jax.tree.map(np.testing.assert_array_equal, weights(decoder), weights(trained.decoder))


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 0.5}, {"cycles": (8,)}])
def test_the_state_of_another_recipe_is_refused(
    trained: Any, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, change: dict[str, Any]
) -> None:
    """Also where the shapes are the same; the file is left as it is."""
    state_file = tmp_path / "small.state"
    shutil.copyfile(trained.state_file, state_file)
    with pytest.raises(StoreError, match=r"small\.state is the state of another recipe"):
        train(dataclasses.replace(trained.recipe, **change), tokenizer, state_file=state_file, on_step=ignore)
    assert state_file.read_bytes() == trained.state_file.read_bytes()
