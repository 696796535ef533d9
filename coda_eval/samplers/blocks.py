"""Where in a row tokens are proposed: the whole canvas, one block after the other, or several at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Shaped


@dataclass(frozen=True)
class Grid:
    """Columns cut into blocks of equal length. The first may begin, and the last end, outside the row."""

    first: int
    """Column at which block 0 begins; 0 or less where prompts have masks."""
    length: int
    count: int

    def split(self, columns: Shaped[Array, "B L"], *, outside: bool | int) -> Shaped[Array, "B count length"]:
        """The values block by block, with `outside` for what is no column."""
        rows, L = columns.shape
        before, after = max(-self.first, 0), max(self.first + self.count * self.length - L, 0)
        padded = jnp.pad(columns, ((0, 0), (before, after)), constant_values=outside)
        start = self.first + before
        return padded[:, start : start + self.count * self.length].reshape(rows, self.count, self.length)

    def spread(self, blocks: Shaped[Array, "B count"], L: int, *, elsewhere: bool | int) -> Shaped[Array, "B L"]:
        """A value a block, at each of its columns."""
        block = (jnp.arange(L) - self.first) // self.length
        inside = (block >= 0) & (block < self.count)
        values = blocks[:, jnp.clip(block, 0, self.count - 1)]
        return jnp.where(inside[None, :], values, jnp.asarray(elsewhere, blocks.dtype))


class Focus(NamedTuple):
    """Where a step works."""

    candidates: Bool[Array, "B L"]
    """Masked positions that may be committed."""
    leading: Bool[Array, "B L"]
    """Those among which at least one must be."""
    visible: Bool[Array, "B L"]
    """Columns that have been added to the row: the others are not attended to."""


@runtime_checkable
class BlockOrder(Protocol):
    """Decides where to work; hashable."""

    def focus(self, masked: Bool[Array, "B L"], block: Int[Array, " B"], grid: Grid) -> Focus:
        """Where to work.

        Args:
            masked: positions that hold nothing yet and are needed.
            block: the row's current block.
            grid: how the columns are cut.
        """


@dataclass(frozen=True)
class OneBlock:
    """The current block only. A grid of one block is the full canvas of Dream and CoDA."""

    def focus(self, masked: Bool[Array, "B L"], block: Int[Array, " B"], grid: Grid) -> Focus:
        """All columns are visible."""
        here = jnp.arange(grid.count)[None, :] == block[:, None]
        candidates = masked & grid.spread(here, masked.shape[1], elsewhere=False)
        return Focus(candidates, candidates, jnp.ones_like(masked))


@dataclass(frozen=True)
class SeveralBlocks:
    """Blocks join while those before them are being filled (D2F and d3LLM, d3llm_dream_generate_util.py:725-989).

    A block joins when the one before it is filled to `join_at`; from when that one is filled to `lead_at` (all blocks
    before it are then) at least one of its tokens is committed a step. Blocks that have not joined are not attended to.
    """

    join_at: float
    lead_at: float

    def focus(self, masked: Bool[Array, "B L"], block: Int[Array, " B"], grid: Grid) -> Focus:
        """A function of the masks alone, since nothing committed is ever taken back."""
        L = masked.shape[1]
        left = grid.split(masked, outside=False).astype(jnp.float32).mean(axis=2)
        first = jnp.ones_like(left[:, :1], bool)
        join = jnp.concatenate([first, 1 - left[:, :-1] >= self.join_at], axis=1)
        lead = jnp.concatenate([first, 1 - left[:, :-1] >= self.lead_at], axis=1)
        joined = jnp.cumprod(join.astype(jnp.int32), axis=1).astype(bool)
        leads = joined & jnp.cumprod(lead.astype(jnp.int32), axis=1).astype(bool) & (left > 0)
        leads = leads & (jnp.cumsum(leads.astype(jnp.int32), axis=1) == 1)
        candidates = masked & grid.spread(joined, L, elsewhere=False)
        return Focus(
            candidates, candidates & grid.spread(leads, L, elsewhere=False), grid.spread(joined, L, elsewhere=True)
        )


def first_block(masked: Bool[Array, "B L"], otherwise: Int[Array, " B"], grid: Grid) -> Int[Array, " B"]:
    """The block of each row's first masked position; `otherwise` where nothing is masked."""
    column = jnp.argmax(masked, axis=1)
    return jnp.where(jnp.any(masked, axis=1), (column - grid.first) // grid.length, otherwise).astype(jnp.int32)
