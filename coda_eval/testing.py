"""Stand-ins for tests, here and in projects that build on this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


class ScriptedModel:
    """A language model that always predicts the same row of tokens, with a given sureness at each position.

    Satisfies `samplers.language_model.LanguageModel`. Position p of a row (padding not counted) predicts `script[p]`.
    """

    causal = False
    parameters = ()

    def __init__(
        self,
        script: Sequence[int],
        sureness: Sequence[float],
        *,
        vocabulary: int,
        fill_id: int,
        stop_ids: tuple[int, ...] = (),
        emittable: Sequence[int] | None = None,
        max_positions: int = 1024,
        vocabulary_parts: int = 1,
    ) -> None:
        """`sureness`: the logit of the predicted token, the others' being 0."""
        assert len(script) == len(sureness)
        logits = np.zeros((len(script), vocabulary), np.float32)
        logits[np.arange(len(script)), list(script)] = sureness
        self._logits = jnp.asarray(logits)
        self.fill_id = fill_id
        self.pad_id = 0
        self.stop_ids = stop_ids
        self.max_positions = max_positions
        self.vocabulary_parts = vocabulary_parts
        self.emittable: Bool[np.ndarray, " V"] = np.isin(
            np.arange(vocabulary), [i for i in range(vocabulary) if i != fill_id] if emittable is None else emittable
        )

    def hidden(
        self, parameters: Any, tokens: Int[Array, "B L"], positions: Int[Array, "B L"], key_mask: Bool[Array, "B L"]
    ) -> Float[Array, "B L V"]:
        """The logits themselves."""
        return self._logits[positions]

    def logits(self, parameters: Any, hidden: Float[Array, "B L V"]) -> Float[Array, "B L V"]:
        """What `hidden` gave."""
        return hidden

    def head_chunk(
        self,
        parameters: Any,
        hidden: Float[Array, "N V"],
        part: Int[Array, ""],
        start: Int[Array, ""],
        *,
        parts: int,
        size: int,
    ) -> Float[Array, "parts size N"]:
        """Some columns of what `hidden` gave."""
        by_part = hidden.T.reshape(self.vocabulary_parts, -1, hidden.shape[0])
        return jax.lax.dynamic_slice(by_part, (part, start, 0), (parts, size, hidden.shape[0]))

    def prefill(
        self, parameters: Any, tokens: Int[Array, "B L"], positions: Int[Array, "B L"], key_mask: Bool[Array, "B L"]
    ) -> tuple[Float[Array, "B L V"], tuple[()]]:
        """Nothing to cache."""
        return self.hidden(parameters, tokens, positions, key_mask), ()

    def window(
        self,
        parameters: Any,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        key_mask: Bool[Array, "B L"],
        cache: tuple[()],
        start: Int[Array, " B"],
        write_from: Int[Array, " B"],
        *,
        width: int,
    ) -> tuple[Float[Array, "B width V"], tuple[()]]:
        """The logits of the columns asked for."""
        columns = start[:, None] + jnp.arange(width)[None, :]
        return self._logits[jnp.take_along_axis(positions, columns, axis=1)], ()
