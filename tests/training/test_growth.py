"""Growing a model does not change what it computes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from coda_eval.models.decoder import Decoder
from coda_eval.training.growth import deepen


def test_a_deepened_model_computes_what_the_shallow_one_does(trained: Any) -> None:
    """Its new layers add nothing to the residual stream until they are trained."""
    shallow: Decoder = trained.decoder
    architecture = replace(trained.recipe.architecture, num_layers=3)
    deep = deepen(shallow, Decoder(architecture, rngs=nnx.Rngs(1)))
    tokens = jnp.asarray([[5, 9, 300, 17, 1, 1]])
    positions, seen = jnp.arange(6)[None, :], jnp.ones((1, 6), bool)
    np.testing.assert_allclose(
        deep.head(deep(tokens, positions, seen)), shallow.head(shallow(tokens, positions, seen)), rtol=0, atol=1e-5
    )


def test_new_layers_can_learn(trained: Any) -> None:
    """Their inner weights are random: with zeros there, no gradient would ever reach them."""
    architecture = replace(trained.recipe.architecture, num_layers=2)
    deep = deepen(trained.decoder, Decoder(architecture, rngs=nnx.Rngs(1)))
    new_layer = np.asarray(deep.layers.feed_forward.up_df[...])[1]
    assert np.abs(new_layer).max() > 0
    assert np.abs(np.asarray(deep.layers.feed_forward.down_fd[...])[1]).max() == 0
