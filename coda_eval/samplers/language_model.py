"""What a sampler needs of a model."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float, Int


@runtime_checkable
class LanguageModel(Protocol):
    """A model whose outputs are aligned: row p predicts the token at position p, whatever the checkpoint's convention.

    Instances are compared by identity, so that `jax.jit` can take one as a static argument; the weights are passed
    beside it, as a traced one.
    """

    @property
    def parameters(self) -> Any:
        """The weights, a pytree of arrays."""

    @property
    def fill_id(self) -> int:
        """What stands in the canvas where nothing is committed yet: the mask token of a diffusion model."""

    @property
    def pad_id(self) -> int:
        """What fills a row before its prompt."""

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Tokens that end the text."""

    @property
    def emittable(self) -> Bool[np.ndarray, " V"]:
        """Which tokens may be written: not the mask token, and none that the tokenizer does not know."""

    @property
    def causal(self) -> bool:
        """No position sees a later one: the model can only be decoded from left to right."""

    @property
    def max_positions(self) -> int:
        """How long prompt and completion together may be."""

    def hidden(
        self,
        parameters: Any,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        key_mask: Bool[Array, "B L"],
    ) -> Float[Array, "B L D"]:
        """Aligned hidden states."""

    def logits(self, parameters: Any, hidden: Float[Array, "*axes D"]) -> Float[Array, "*axes V"]:
        """Float32 logits over the whole vocabulary."""
