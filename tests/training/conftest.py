"""A model so small that it trains in seconds, and the tokenizer of the embedded ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import pytest
from transformers import PreTrainedTokenizerFast

from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.decoder import Decoder
from coda_eval.training import trainer
from coda_eval.training.recipe import Recipe
from coda_eval.training.vocabulary import VOCABULARY_SIZE, build_tokenizer

SMALL = Recipe(
    name="small",
    model_type="CoDA",
    architecture=DecoderConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=8,
        intermediate_size=12,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
        head_dim=4,
        rms_norm_eps=1e-6,
        rope_theta=10_000.0,
        max_positions=512,
        causal=False,
        qk_norm=True,
        tied_head=False,
    ),
    steps=6,
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
