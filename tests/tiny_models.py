"""The smallest decoder that has everything, and random weights for it or for another."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.decoder import Decoder

TINY = DecoderConfig(
    vocab_size=24,
    hidden_size=16,
    intermediate_size=20,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=4,
    rms_norm_eps=1e-6,
    rope_theta=100.0,
    max_positions=512,
    causal=False,
    qk_norm=True,
    tied_head=False,
)
"""Masked diffusion, in the manner of CoDA; tests replace what they are about."""


def random_decoder(config: DecoderConfig, *, seed: int = 1) -> Decoder:
    """Weights larger than the initial ones, with which attention hardly depends on what it sees."""
    graph, shapes = nnx.split(nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0))))
    random = np.random.default_rng(seed)
    return nnx.merge(
        graph, jax.tree.map(lambda leaf: jnp.asarray(random.normal(0.5, 0.4, leaf.shape), leaf.dtype), shapes)
    )
