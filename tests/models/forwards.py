"""A model with its forwards compiled for one shape, so that many tests share them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from coda_eval.models.checkpoint import CheckpointModel

ROWS, LENGTH = 4, 20
PADDING = np.array([0, 3, 0, 1])
POSITIONS = np.maximum(np.arange(LENGTH) - PADDING[:, None], 0).astype(np.int32)
SEEN = np.arange(LENGTH) >= PADDING[:, None]
"""Text padded on the left, in some rows."""


class Forwards:
    """Arrays in, arrays out; positions and what is seen are those of `PADDING` unless it is said otherwise."""

    def __init__(self, model: CheckpointModel) -> None:
        self.model = model
        random = np.random.default_rng(0)
        self.tokens = random.integers(0, model.config.vocab_size, (ROWS, LENGTH)).astype(np.int32)

    def prefill(self, tokens: Any, positions: Any = POSITIONS, seen: Any = SEEN) -> Any:
        """Hidden states and a cache."""
        return self._prefill(self.model.parameters, *map(jnp.asarray, (tokens, positions, seen)))

    def window(self, tokens: Any, cache: Any, start: Any, write_from: Any, *, width: int) -> Any:
        """Hidden states of the window and the renewed cache."""
        inputs = map(jnp.asarray, (tokens, POSITIONS, SEEN))
        return self._window(self.model.parameters, *inputs, cache, start, write_from, width=width)

    def logits(self, hidden: Any) -> Any:
        """Of hidden states."""
        return np.asarray(self._logits(self.model.parameters, jnp.asarray(hidden)))

    @cached_property
    def _prefill(self) -> Any:
        return jax.jit(self.model.prefill)

    @cached_property
    def _window(self) -> Any:
        return jax.jit(self.model.window, static_argnames="width")

    @cached_property
    def _logits(self) -> Any:
        return jax.jit(self.model.logits)
