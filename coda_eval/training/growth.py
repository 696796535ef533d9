"""A deeper model that starts as what a shallower one has learnt."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx

from coda_eval.models.decoder import Decoder

_RESIDUAL_OUTPUTS = ("o_nhd", "down_fd")
"""The weights through which a layer adds to the residual stream."""


def deepen(shallow: Decoder, deep: Decoder) -> Decoder:
    """Puts the weights of `shallow` into `deep`, spread evenly over its layers; the layers between add nothing yet.

    The result computes exactly what `shallow` does (layer stacking as in Chen et al., 2016, Net2Net, arXiv 1511.05641).

    Args:
        shallow: trained.
        deep: the same but for a multiple of the layers; its own weights stay in the new layers, but for those through
            which they add to the residual stream.
    """
    spacing, rest = divmod(deep.config.num_layers, shallow.config.num_layers)
    assert rest == 0, "the deeper model has a multiple of the layers"
    old, new = (nnx.to_pure_dict(nnx.state(decoder, nnx.Param)) for decoder in (shallow, deep))

    def spread(name: str, trained: Any, fresh: Any) -> Any:
        if isinstance(trained, dict):
            return {key: spread(key, trained[key], fresh[key]) for key in trained}
        start = jnp.zeros_like(fresh) if name in _RESIDUAL_OUTPUTS else fresh
        return start.at[::spacing].set(trained)

    grown = {key: spread(key, value, new[key]) if key == "layers" else value for key, value in old.items()}
    graph, weights = nnx.split(deep, nnx.Param)
    nnx.replace_by_pure_dict(weights, grown)
    result: Decoder = nnx.merge(graph, weights)
    return result
