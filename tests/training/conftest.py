"""A model so small that it trains in seconds, and the tokenizer of the embedded ones."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import pytest
from tiny_models import TINY
from transformers import PreTrainedTokenizerFast

from coda_eval.models.decoder import Decoder
from coda_eval.training import trainer
from coda_eval.training.recipe import Recipe
from coda_eval.training.vocabulary import VOCABULARY_SIZE, build_tokenizer

SMALL = Recipe(
    name="small",
    model_type="CoDA",
    architecture=dataclasses.replace(TINY, vocab_size=VOCABULARY_SIZE, num_layers=1),
    cycles=(6,),
    batch_size=2,
    warmup_steps=2,
)


class Trained(NamedTuple):
    """What one uninterrupted training leaves."""

    recipe: Recipe
    decoder: Decoder
    losses: list[float]
    """After each step."""
    state_file: Path
    halfway_file: Path
    """The state on disk after step 3, as an interruption leaves it."""


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """That of the embedded models."""
    return build_tokenizer(0)


@pytest.fixture(scope="session")
def trained(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """`SMALL`, trained in one go."""
    state_file = tmp_path_factory.mktemp("training") / "small.state"
    halfway_file = state_file.with_name("halfway.state")
    losses: list[float] = []

    def on_step(step: int, loss: float) -> None:
        losses.append(loss)
        if step == 5:
            shutil.copyfile(state_file, halfway_file)

    # Optax takes powers with integer counters, which the strict promotion of the tests forbids.
    with pytest.MonkeyPatch.context() as patch, jax.numpy_dtype_promotion("standard"):
        patch.setattr(trainer, "SAVE_EVERY", 3)
        decoder = trainer.train(SMALL, tokenizer, state_file=state_file, on_step=on_step)
    return Trained(SMALL, decoder, losses, state_file, halfway_file)
