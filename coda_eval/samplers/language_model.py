"""What a sampler needs of a model."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float, Int


@runtime_checkable
class Head(Protocol):
    """From hidden states to logits, some of the vocabulary at a time."""

    @property
    def vocabulary_parts(self) -> int:
        """Stretches of ids of equal length that devices may share out among them; 1 for a small vocabulary."""

    def head_chunk(
        self,
        parameters: Any,
        hidden: Float[Array, "N D"],
        part: Int[Array, ""],
        start: Int[Array, ""],
        *,
        parts: int,
        size: int,
    ) -> Float[Array, "parts size N"]:
        """Float32 logits of some parts of the vocabulary, the first of them `part`: of each `size` ids from `start`."""


@runtime_checkable
class LanguageModel(Head, Protocol):
    """A model whose outputs are aligned: row p predicts the token at position p, whatever the checkpoint's convention.

    Instances are compared by identity, so that `jax.jit` can take one as a static argument; the weights are passed
    beside it, as a traced one. A cache is a pytree of keys (after RoPE) and values, [layers, B, L, K, H], that only the
    model looks into.
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

    def prefill(
        self,
        parameters: Any,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        key_mask: Bool[Array, "B L"],
    ) -> tuple[Float[Array, "B L D"], Any]:
        """As `hidden`, and a cache of every column."""

    def window(
        self,
        parameters: Any,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        key_mask: Bool[Array, "B L"],
        cache: Any,
        start: Int[Array, " B"],
        write_from: Int[Array, " B"],
        *,
        width: int,
    ) -> tuple[Float[Array, "B W D"], Any]:
        """Aligned hidden states of the columns from `start` to `start + width` of each row, and the cache behind them.

        Only what is needed for them is computed, against the cached keys and values of the rest. The new keys and
        values go into the cache, but for those left of `write_from` (in the same columns as `start`), which stay as
        they are, for this forward too.
        """
