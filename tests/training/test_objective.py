"""The losses, against their formulas written out."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_models import TINY, random_decoder

from coda_eval.models.decoder import Decoder
from coda_eval.training.masking import Masking
from coda_eval.training.objective import diffusion_loss, next_token_loss

MASK = 9
TOKENS = np.array([[1, 2, 3, 4, 5], [6, 7, 8, 1, 1]], np.int32)
SEEN = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
MASKED = np.array([[0, 1, 0, 1, 1], [0, 0, 1, 0, 0]], bool)
LEVEL = np.array([0.5, 0.25], np.float32)
CONFIG = dataclasses.replace(TINY, vocab_size=10, num_layers=1, tied_head=True)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """Any weights do."""
    return random_decoder(CONFIG)


def log_probabilities(decoder: Decoder, inputs: Any) -> Any:
    """[B, L]: of the token at each position but the first, from the raw logits of the position before it."""
    positions = jnp.broadcast_to(jnp.arange(5)[None, :], inputs.shape)
    logits = decoder.head(decoder(jnp.asarray(inputs), positions, jnp.asarray(SEEN)))
    chosen = np.take_along_axis(np.asarray(jax.nn.log_softmax(logits, axis=-1))[:, :-1], TOKENS[:, 1:, None], axis=-1)
    return np.concatenate([np.zeros((2, 1)), chosen[..., 0]], axis=1)


def test_diffusion_loss_weighs_masked_tokens_by_the_inverse_level(decoder: Decoder) -> None:
    """The model sees masks there; the sum is taken a token of text, padding excluded."""
    masking = Masking(masked=jnp.asarray(MASKED), attended=jnp.asarray(SEEN), level=jnp.asarray(LEVEL))
    losses = -log_probabilities(decoder, np.where(MASKED, MASK, TOKENS).astype(np.int32))
    expected = (losses * MASKED / LEVEL[:, None]).sum() / SEEN.sum()
    assert float(diffusion_loss(decoder, jnp.asarray(TOKENS), masking, mask_id=MASK)) == pytest.approx(
        expected, rel=1e-5
    )


def test_next_token_loss_is_the_mean_over_predicted_tokens(decoder: Decoder) -> None:
    """Nothing is hidden but what the attention of the decoder hides."""
    predicted = SEEN & (np.arange(5) > 0)
    expected = -(log_probabilities(decoder, TOKENS) * predicted).sum() / predicted.sum()
    loss = next_token_loss(decoder, jnp.asarray(TOKENS), predicted=jnp.asarray(predicted), attended=jnp.asarray(SEEN))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
