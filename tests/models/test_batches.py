"""Rows of a batch do not know of each other, nor of the padding before them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from models.forwards import LENGTH, ROWS, Forwards

TOLERANCE = 1e-5
"""Float32; the order of sums differs with the shape."""
TEXT = 11
PADDING = np.array([0, 9, 4, 1])


def test_a_row_is_the_same_alone_and_in_a_padded_batch(family: Forwards) -> None:
    """Logits of one text by itself, and in rows with other texts, more padding before it and masks behind it."""
    model = family.model
    text = family.tokens[0, :TEXT]
    tokens = np.array(family.tokens)
    for row, padding in enumerate(PADDING):
        tokens[row, padding : padding + TEXT] = text
    columns = np.arange(LENGTH)
    seen = (columns >= PADDING[:, None]) & (columns < PADDING[:, None] + TEXT)
    positions = np.maximum(columns - PADDING[:, None], 0).astype(np.int32)
    hidden, _ = family.prefill(tokens, positions, seen)
    found = family.logits(hidden)
    inputs = jnp.asarray(text[None]), jnp.arange(TEXT, dtype=jnp.int32)[None], jnp.ones((1, TEXT), bool)
    alone = family.logits(jax.jit(model.hidden)(model.parameters, *inputs))[0]
    # Nothing predicts the first token: where outputs are shifted, its row is that of whatever stands before it.
    first = int(model.family.shifted_logits)
    for row in range(ROWS):
        in_batch = found[row, PADDING[row] : PADDING[row] + TEXT]
        np.testing.assert_allclose(in_batch[first:], alone[first:], rtol=0, atol=TOLERANCE * np.abs(alone).max())


def test_attended_padding_changes_what_a_row_says(family: Forwards) -> None:
    """The reference behaviour of the `coda-paper` protocol is another result, asked for by positions and mask alone."""
    columns = np.broadcast_to(np.arange(LENGTH, dtype=np.int32), (ROWS, LENGTH))
    attended, _ = family.prefill(family.tokens, columns, np.ones((ROWS, LENGTH), bool))
    hidden, _ = family.prefill(family.tokens)
    np.testing.assert_allclose(attended[0], hidden[0], rtol=0, atol=TOLERANCE)  # a row without padding
    assert np.abs(attended[1, -1] - hidden[1, -1]).max() > 100 * TOLERANCE
