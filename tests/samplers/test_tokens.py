"""From logits to proposed tokens: what is kept, how it is drawn, what is never drawn."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from coda_eval.samplers.tokens import Proposal, TokenKnobs, propose

VOCABULARY = 8
ROWS, LENGTH = 2, 4096
"""Every call has this shape, so that one compilation serves all."""

jitted_propose = jax.jit(lambda logits, knobs, keys, emittable: propose(logits, knobs, keys, emittable=emittable))


def proposal_for(
    logits: Any, *, temperature: float = 0.0, top_p: float = 1.0, top_k: int = 0, forbidden: tuple[int, ...] = ()
) -> Proposal:
    """The same logits at every position."""
    knobs = TokenKnobs(jnp.float32(temperature), jnp.float32(top_p), jnp.int32(top_k))
    everywhere = jnp.broadcast_to(jnp.asarray(logits, jnp.float32), (ROWS, LENGTH, VOCABULARY))
    emittable = jnp.asarray(~np.isin(np.arange(VOCABULARY), forbidden))
    proposal: Proposal = jax.device_get(
        jitted_propose(everywhere, knobs, jax.random.split(jax.random.key(3), ROWS), emittable)
    )
    return proposal


def probabilities(proposal: Proposal) -> Any:
    """The distribution at one position."""
    return np.exp(proposal.log_probabilities[0, 0])


def softmax(logits: Any) -> Any:
    """In float64."""
    return np.exp(np.asarray(logits, float)) / np.exp(np.asarray(logits, float)).sum()


def reference_top_p(logits: Any, top_p: float) -> Any:
    """Which tokens CoDA keeps (generation_utils.py:39-50): removed is what follows the one that exceeds `top_p`."""
    order = np.argsort(-logits)
    removed = np.cumsum(softmax(logits)[order]) > top_p
    removed[1:] = removed[:-1].copy()
    removed[0] = False
    kept = np.empty(VOCABULARY, bool)
    kept[order] = ~removed
    return kept


LOGITS = np.array([0.1, 2.0, -1.0, 1.2, 0.7, -0.4, 0.9, -2.0])
"""Best first: 1, 3, 6, 4, 0, 5, 2, 7."""
distinct_logits = st.lists(st.integers(-40, 40), min_size=VOCABULARY, max_size=VOCABULARY, unique=True).map(
    lambda values: np.array(values) / 8
)


@settings(deadline=None, max_examples=40)
@given(distinct_logits, st.floats(0.001, 0.999))
def test_top_p_keeps_what_the_reference_keeps(logits: Any, top_p: float) -> None:
    """The smallest set whose mass exceeds top-p, renormalised; the others have minus infinity."""
    assume(np.abs(np.cumsum(np.sort(softmax(logits))[::-1]) - top_p).min() > 1e-5)
    kept = reference_top_p(logits, top_p)
    expected = np.where(kept, softmax(logits), 0)
    proposal = proposal_for(logits, top_p=top_p)
    assert (np.isneginf(proposal.log_probabilities[0, 0]) == ~kept).all()
    np.testing.assert_allclose(probabilities(proposal), expected / expected.sum(), rtol=1e-5)


def test_the_most_probable_token_is_always_kept() -> None:
    """However small top-p is."""
    assert np.flatnonzero(probabilities(proposal_for(LOGITS, top_p=1e-6))).tolist() == [1]


@pytest.mark.parametrize(("top_k", "kept"), [(1, [1]), (3, [1, 3, 6]), (100, list(range(VOCABULARY)))])
def test_top_k_keeps_the_best(top_k: int, kept: list[int]) -> None:
    """More than there are keeps all."""
    assert np.flatnonzero(probabilities(proposal_for(LOGITS, top_k=top_k))).tolist() == kept


def test_tokens_tied_with_the_last_one_kept_are_kept() -> None:
    """As in the reference's top-k; for its top-p the order of equal logits is undefined."""
    tied = [3.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert np.flatnonzero(probabilities(proposal_for(tied, top_k=2))).tolist() == [0, 1, 2, 3]


def test_top_p_and_top_k_both_hold() -> None:
    """Each is the stricter one once."""
    assert np.flatnonzero(probabilities(proposal_for(LOGITS, top_p=0.9, top_k=2))).tolist() == [1, 3]
    assert np.flatnonzero(probabilities(proposal_for(LOGITS, top_p=0.3, top_k=5))).tolist() == [1]


def test_top_p_counts_the_mass_after_temperature() -> None:
    """Temperature comes first: a flatter distribution keeps more."""
    kept = [np.count_nonzero(probabilities(proposal_for(LOGITS, temperature=t, top_p=0.8))) for t in (0.2, 1.0, 5.0)]
    assert kept == [np.count_nonzero(reference_top_p(LOGITS / t, 0.8)) for t in (0.2, 1.0, 5.0)]
    assert kept[0] < kept[1] < kept[2]


def test_greedy_takes_the_best_and_leaves_the_distribution() -> None:
    """At temperature 0 confidences are those of temperature 1."""
    proposal = proposal_for(LOGITS)
    assert (proposal.tokens == 1).all()
    np.testing.assert_allclose(probabilities(proposal), softmax(LOGITS), rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_tempered_distribution(temperature: float) -> None:
    """Chi-square over 8192 draws."""
    proposal = proposal_for(LOGITS, temperature=temperature)
    observed = np.bincount(proposal.tokens.ravel(), minlength=VOCABULARY)
    assert stats.chisquare(observed, softmax(LOGITS / temperature) * observed.sum()).pvalue > 1e-3


def test_draws_follow_what_top_p_leaves() -> None:
    """Renormalised over the kept tokens; the others never occur."""
    proposal = proposal_for(LOGITS, temperature=1.0, top_p=0.7)
    kept = np.flatnonzero(reference_top_p(LOGITS, 0.7))
    observed = np.bincount(proposal.tokens.ravel(), minlength=VOCABULARY)
    expected = softmax(LOGITS)[kept] / softmax(LOGITS)[kept].sum()
    assert observed[kept].sum() == observed.sum()
    assert stats.chisquare(observed[kept], expected * observed.sum()).pvalue > 1e-3


def test_rows_draw_by_their_own_keys() -> None:
    """Two rows of equal logits differ."""
    proposal = proposal_for(LOGITS, temperature=1.0)
    assert (proposal.tokens[0] != proposal.tokens[1]).any()


def test_forbidden_tokens_keep_their_part_of_the_distribution() -> None:
    """Confidences are those of the reference, which could emit them; the draw takes from the others."""
    proposal = proposal_for(LOGITS, temperature=1.0, forbidden=(1, 3))
    np.testing.assert_allclose(probabilities(proposal), softmax(LOGITS), rtol=1e-5)
    others = np.delete(np.arange(VOCABULARY), [1, 3])
    observed = np.bincount(proposal.tokens.ravel(), minlength=VOCABULARY)
    expected = softmax(LOGITS)[others] / softmax(LOGITS)[others].sum()
    assert observed[[1, 3]].sum() == 0
    assert stats.chisquare(observed[others], expected * observed.sum()).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("how", [{"top_p": 0.05}, {"top_k": 1}])
def test_where_only_forbidden_tokens_are_left_the_best_other_is_taken(temperature: float, how: dict[str, Any]) -> None:
    """A model that is sure of the mask token still writes a token that means something, with no confidence."""
    proposal = proposal_for(LOGITS, temperature=temperature, forbidden=(0, 1), **how)
    assert (proposal.tokens == 3).all()
    assert np.isneginf(proposal.log_probabilities[0, 0, 3])
