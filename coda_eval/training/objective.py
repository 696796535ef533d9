"""The losses: masked diffusion with 1/t weighting, and next-token prediction for the autoregressive baseline."""

from __future__ import annotations

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from coda_eval.models.alignment import align
from coda_eval.models.decoder import Decoder
from coda_eval.training.masking import Masking


def diffusion_loss(decoder: Decoder, tokens: Int[Array, "B L"], masking: Masking, *, mask_id: int) -> Float[Array, ""]:
    """The bound of masked diffusion: cross-entropy at masked positions over the level t, a token of the batch.

    LLaDA (arXiv 2502.09992), equation 3. Logits are shifted, as CoDA's are.
    """
    noisy = jnp.where(masking.masked, mask_id, tokens)
    losses = _token_losses(decoder, noisy, tokens, attended=masking.attended)
    weighted = jnp.where(masking.masked, losses / masking.level[:, None], 0.0)
    return weighted.sum() / masking.attended.sum(dtype=jnp.float32)


def next_token_loss(
    decoder: Decoder, tokens: Int[Array, "B L"], *, predicted: Bool[Array, "B L"], attended: Bool[Array, "B L"]
) -> Float[Array, ""]:
    """Mean cross-entropy over the `predicted` tokens, each from those before it (the decoder is causal)."""
    losses = _token_losses(decoder, tokens, tokens, attended=attended)
    return jnp.where(predicted, losses, 0.0).sum() / predicted.sum(dtype=jnp.float32)


def _token_losses(
    decoder: Decoder, inputs: Int[Array, "B L"], targets: Int[Array, "B L"], *, attended: Bool[Array, "B L"]
) -> Float[Array, "B L"]:
    positions = jnp.broadcast_to(jnp.arange(inputs.shape[1])[None, :], inputs.shape)
    hidden = align(decoder(inputs, positions, attended), shifted=True)
    losses: Array = optax.softmax_cross_entropy_with_integer_labels(decoder.head(hidden), targets)
    return losses
