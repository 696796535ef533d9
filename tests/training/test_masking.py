"""What noise hides in training."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coda_eval.training.masking import Masking, MaskingStrategy, draw_masking

ROWS, LENGTH = 64, 48
PLAIN = MaskingStrategy()
EVERYTHING = MaskingStrategy(prefix_probability=0.5, truncate_probability=0.5, block_probability=0.5, least_level=0.25)
FULL = 1.0
"""A level: every maskable token is masked, so that what is maskable shows."""

POSITION = np.arange(LENGTH)


@functools.partial(jax.jit, static_argnames="strategy")
def _drawn(seed: Any, start: Any, end: Any, *, strategy: MaskingStrategy) -> Masking:
    return draw_masking(jax.random.key(seed), strategy, start=start, end=end, length=LENGTH)


def masking_for(strategy: MaskingStrategy, *, start: Any = 0, end: Any = LENGTH, seed: int = 0) -> Masking:
    """The same bounds for all rows, or an array of them."""
    bounds = (jnp.asarray(np.broadcast_to(value, ROWS), jnp.int32) for value in (start, end))
    masking: Masking = jax.device_get(_drawn(jnp.uint32(seed), *bounds, strategy=strategy))
    return masking


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_nothing_outside_the_maskable_stretch_is_masked(data: st.DataObject, seed: int) -> None:
    """Whatever strategies apply; and what attention sees is the text, or its beginning."""
    bounds = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, LENGTH)).filter(lambda pair: pair[0] < pair[1])
    start, end = np.array(data.draw(st.lists(bounds, min_size=4, max_size=4)) * (ROWS // 4)).T
    masking = masking_for(EVERYTHING, start=start, end=end, seed=seed)
    assert not (masking.masked & ((start[:, None] > POSITION) | (end[:, None] <= POSITION))).any()
    assert not (masking.masked & ~masking.attended).any()
    seen = masking.attended.sum(axis=1)
    assert (masking.attended == (seen[:, None] > POSITION)).all()
    assert ((start < seen) & (seen <= end)).all()


def test_without_strategies_all_of_the_text_is_seen() -> None:
    """Padding behind it is not."""
    assert (masking_for(PLAIN, start=5, end=30).attended == (POSITION < 30)).all()


def test_the_level_is_the_rate_of_masked_tokens() -> None:
    """Of each row within five deviations, and of all rows together closely."""
    masking = masking_for(PLAIN)
    rate = masking.masked.mean(axis=1)
    deviation = np.sqrt(masking.level * (1 - masking.level) / LENGTH)
    assert (np.abs(rate - masking.level) <= 5 * deviation + 1e-3).all()
    assert abs(rate.mean() - masking.level.mean()) < 0.03


def test_levels_are_spread_evenly_over_their_range() -> None:
    """One in each of as many strata as there are rows."""
    for strategy in (PLAIN, EVERYTHING):
        level = np.sort(masking_for(strategy, seed=3).level)
        least = strategy.least_level
        assert ((level >= least) & (level <= 1)).all()
        np.testing.assert_allclose(np.diff(level), (1 - least) / ROWS, rtol=1e-3)


def test_a_prefix_cannot_be_masked() -> None:
    """It ends anywhere in the maskable stretch; behind it everything is maskable."""
    masking = masking_for(MaskingStrategy(prefix_probability=1.0, least_level=FULL), start=4, end=40)
    cut = 40 - masking.masked.sum(axis=1)
    assert (masking.masked == ((cut[:, None] <= POSITION) & (POSITION < 40))).all()
    assert ((cut >= 4) & (cut < 40)).all()
    assert len(set(cut)) > 10


def test_a_truncated_suffix_is_gone() -> None:
    """Neither masked nor seen, and at least one token is left to predict."""
    masking = masking_for(MaskingStrategy(truncate_probability=1.0, least_level=FULL), start=4, end=40)
    end = masking.attended.sum(axis=1)
    assert (masking.masked == ((POSITION >= 4) & (end[:, None] > POSITION))).all()
    assert ((end > 4) & (end <= 40)).all()
    assert len(set(end)) > 10


def test_blocks_are_masked_as_a_whole() -> None:
    """At a rate that is the level still."""
    masking = masking_for(MaskingStrategy(block_probability=1.0, block_sizes=(4, 8)))
    blocks = masking.masked.reshape(ROWS, LENGTH // 4, 4)
    assert (blocks.all(axis=2) | ~blocks.any(axis=2)).all()
    assert abs(masking.masked.mean() - masking.level.mean()) < 0.06


def test_single_tokens_are_masked_where_blocks_are_not_asked_for() -> None:
    """So that the test above can fail."""
    blocks = masking_for(PLAIN).masked.reshape(ROWS, LENGTH // 4, 4)
    assert (blocks.any(axis=2) & ~blocks.all(axis=2)).mean() > 0.3


def test_strategies_apply_to_their_share_of_the_rows() -> None:
    """Prefixes to half of them."""
    masking = masking_for(MaskingStrategy(prefix_probability=0.5, least_level=FULL))
    assert 0.3 < (~masking.masked[:, 0]).mean() < 0.7
