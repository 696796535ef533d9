"""Which columns a forward computes, and which it takes from the keys and values of an earlier one.

Keys are stored after RoPE, positions never change: what is reused is exact for tokens that have not changed since, and
stale as far as they were influenced by tokens that have.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NoCache:
    """Every forward computes every column."""


@dataclass(frozen=True)
class WindowCache:
    """A full forward on entering a block (a refresh), windows around the block after it.

    Prefix and dual cache are Fast-dLLM's (arXiv 2505.22618), the vicinity dInfer's (generate_uniform.py:604-641).
    """

    look_back: int = 0
    """Columns before the block that are computed with it."""
    look_ahead: int | None = 0
    """Columns behind the block that are computed with it; None for all."""
    refresh_blocks: bool = True
    """Otherwise only the first forward is full: where no position sees a later one, that is exact."""


Cache = NoCache | WindowCache
