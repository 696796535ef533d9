"""From hidden states to proposed tokens: what is kept, how it is drawn, what is never drawn."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from coda_eval.samplers.head import Tiling, choose_tokens
from coda_eval.samplers.nucleus import BEST, least_kept
from coda_eval.samplers.tokens import Choice, TokenKnobs, Vocabulary
from coda_eval.testing import ScriptedModel

VOCABULARY = 8
COUNT = 4096
"""Every call has this many positions, so that one compilation serves all."""


IN_CHUNKS = Tiling(positions=512, tokens=3)


MODEL = ScriptedModel([0], [1.0], vocabulary=VOCABULARY, fill_id=0)
"""Its hidden states are its logits, whatever they are."""
jitted_choose = jax.jit(
    lambda hidden, count, luck, knobs, vocabulary, tiling, model=MODEL: choose_tokens(
        model, (), hidden, count, luck, knobs, vocabulary, tiling=tiling
    ),
    static_argnames=("tiling", "model"),
)


jitted_least_kept = jax.jit(least_kept)


def choices(
    logits: Any,
    *,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int = 0,
    forbidden: tuple[int, ...] = (),
    removed: tuple[int, ...] = (),
    tiling: Tiling = IN_CHUNKS,
    model: ScriptedModel = MODEL,
) -> Choice:
    """Of each row of logits, or of the same logits at every position."""
    values = np.asarray(logits, np.float32)
    everywhere = jnp.asarray(np.broadcast_to(values, (COUNT, values.shape[-1])) if values.ndim == 1 else values)
    knobs = TokenKnobs(jnp.float32(temperature), jnp.float32(top_p), jnp.int32(top_k))
    ids = np.arange(values.shape[-1])
    vocabulary = Vocabulary(
        jnp.asarray(~np.isin(ids, forbidden) & ~np.isin(ids, removed)), jnp.asarray(np.isin(ids, removed))
    )
    chunks = tiling.chunks(len(ids), parts=model.vocabulary_parts)
    luck = jax.random.uniform(jax.random.key(3), (len(everywhere), chunks, 2))
    count = jnp.int32(len(everywhere))
    choice: Choice = jax.device_get(jitted_choose(everywhere, count, luck, knobs, vocabulary, tiling, model))
    return choice


def kept(logits: Any, **how: Any) -> list[int]:
    """The tokens that top-p and top-k leave, as many draws find them."""
    return np.unique(choices(logits, temperature=1.0, **how).tokens).tolist()


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


@settings(max_examples=60)
@given(distinct_logits, st.floats(0.001, 0.999), st.integers(0, VOCABULARY + 1))
def test_confidences_are_those_of_what_the_reference_keeps(logits: Any, top_p: float, top_k: int) -> None:
    """The smallest set whose mass exceeds top-p, at most top-k of them, renormalised."""
    assume(np.abs(np.cumsum(np.sort(softmax(logits))[::-1]) - top_p).min() > 1e-5)
    stays = reference_top_p(logits, top_p)
    if top_k:
        stays &= logits >= np.sort(logits)[::-1][min(top_k, VOCABULARY) - 1]
    expected = np.where(stays, softmax(logits), 0)
    expected /= expected.sum()
    choice = choices(logits, top_p=top_p, top_k=top_k)
    best, second = np.sort(expected)[:-3:-1]
    assert choice.tokens[0] == logits.argmax()
    np.testing.assert_allclose(np.exp(choice.log_probability[0]), best, rtol=1e-5)
    np.testing.assert_allclose(choice.margin[0], best - second, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        choice.negative_entropy[0], (expected * np.log(expected + 1e-10)).sum(), rtol=1e-4, atol=1e-5
    )


@settings(max_examples=40)
@given(distinct_logits, st.floats(0.3, 3.0))
def test_one_pass_in_chunks_sees_the_whole_distribution(logits: Any, temperature: float) -> None:
    """Chunks of three of eight tokens: the last reaches back over one that was seen."""
    expected = softmax(logits / temperature)
    choice = choices(logits, temperature=temperature)
    second, best = np.sort(expected)[-2:]
    np.testing.assert_allclose(choice.margin, best - second, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(choice.negative_entropy, (expected * np.log(expected)).sum(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.exp(choice.log_probability), expected[choice.tokens], rtol=1e-4)


@pytest.mark.parametrize("spread", [0.0, 1.8, 9.0])
def test_the_references_epsilon_moves_no_entropy_by_more_than_its_bound(spread: float) -> None:
    """They add 1e-10 within the logarithm: p log(1 + 1e-10/p) is at most 1e-10 a token, whatever p is."""
    logits = (np.random.default_rng(2).normal(size=(4, 20_000)) * spread).astype(np.float32)
    probabilities = np.exp(logits.astype(float))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    references = (probabilities * np.log(probabilities + 1e-10)).sum(axis=1)
    ours = choices(logits, tiling=Tiling(positions=4, tokens=2400)).negative_entropy
    rounding = 2e-6 * np.abs(references) + 1e-6
    assert (np.abs(ours - references) <= 1e-10 * logits.shape[1] + rounding).all()


def test_positions_behind_the_count_cost_nothing_and_change_nothing() -> None:
    """One tile of four is worked on."""
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(32, VOCABULARY)), jnp.float32)
    knobs = TokenKnobs(jnp.float32(0.0), jnp.float32(0.5), jnp.int32(0))
    vocabulary = Vocabulary(jnp.ones((VOCABULARY,), bool))
    luck = jnp.zeros((32, 1, 2))
    few, all_of_them = (
        jitted_choose(rows, jnp.int32(count), luck, knobs, vocabulary, Tiling(positions=8, tokens=VOCABULARY))
        for count in (5, 32)
    )
    np.testing.assert_array_equal(few.tokens[:5], all_of_them.tokens[:5])
    np.testing.assert_array_equal(few.negative_entropy[:5], all_of_them.negative_entropy[:5])


@pytest.mark.parametrize("how", [{"top_p": 0.99}, {"top_k": BEST + 30}, {"top_p": 0.9, "top_k": 5}])
def test_more_tokens_than_are_collected_are_found_too(how: dict[str, Any]) -> None:
    """A flat distribution over 500 tokens keeps more than the best ones; the peaked rows beside it keep few."""
    random = np.random.default_rng(5)
    logits = np.concatenate([random.normal(size=(8, 500)), random.normal(size=(8, 500)) * 9]).astype(np.float32)
    choice = choices(logits, tiling=Tiling(positions=4, tokens=128), **how)
    for row in range(len(logits)):
        probabilities = softmax(logits[row]) / 1.0
        order = np.argsort(-logits[row])
        stays = np.zeros(500, bool)
        before = np.cumsum(probabilities[order]) - probabilities[order]
        stays[order] = before <= how.get("top_p", 1.0)
        stays[order[how.get("top_k", 500) :]] = False
        expected = np.where(stays, probabilities, 0) / probabilities[stays].sum()
        np.testing.assert_allclose(np.exp(choice.log_probability[row]), expected.max(), rtol=1e-4)
        np.testing.assert_allclose(
            choice.negative_entropy[row], (expected * np.log(expected + 1e-10)).sum(), rtol=1e-3, atol=1e-5
        )


# No subnormals: the processor's arithmetic in XLA takes them for zero.
@given(
    st.lists(st.floats(-30, 30, width=32, allow_subnormal=False), min_size=5, max_size=5),
    st.floats(0.01, 0.99),
    st.integers(0, 6),
)
def test_bisection_finds_the_least_logit_that_is_kept(values: list[float], top_p: float, top_k: int) -> None:
    """The mass above the last one kept is within top-p, and that above the next lower one is not."""
    logits = np.array(values, np.float32)
    knobs = TokenKnobs(jnp.float32(0.0), jnp.float32(top_p), jnp.int32(top_k))
    least = float(jitted_least_kept(jnp.asarray(logits)[None, :, None], knobs)[0])
    last_kept, lower = logits[logits >= least].min(), logits[logits < least]
    assert softmax(logits)[logits > last_kept].sum() <= top_p + 1e-5
    assert (logits > last_kept).sum() < (top_k or 6)
    if len(lower):
        above = logits > lower.max()
        assert softmax(logits)[above].sum() > top_p - 1e-5 or above.sum() >= (top_k or 6)


def test_the_most_probable_token_is_always_kept() -> None:
    """However small top-p is."""
    assert kept(LOGITS, top_p=1e-6) == [1]


@pytest.mark.parametrize(("top_k", "expected"), [(1, [1]), (3, [1, 3, 6])])
def test_top_k_keeps_the_best(top_k: int, expected: list[int]) -> None:
    """And no other."""
    assert kept(LOGITS, top_k=top_k) == expected


def test_tokens_tied_with_the_last_one_kept_are_kept() -> None:
    """As in the reference's top-k; for its top-p the order of equal logits is undefined."""
    assert kept([3.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0], top_k=2) == [0, 1, 2, 3]


def test_top_p_and_top_k_both_hold() -> None:
    """Each is the stricter one once."""
    assert kept(LOGITS, top_p=0.9, top_k=2) == [1, 3]
    assert kept(LOGITS, top_p=0.3, top_k=5) == [1]


def test_greedy_takes_the_best_and_leaves_the_distribution() -> None:
    """At temperature 0 confidences are those of temperature 1."""
    choice = choices(LOGITS)
    assert (choice.tokens == 1).all()
    np.testing.assert_allclose(np.exp(choice.log_probability), softmax(LOGITS)[1], rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("tokens", [3, 8])
def test_draws_follow_the_tempered_distribution(temperature: float, tokens: int) -> None:
    """Chi-square over 4096 draws, from one chunk and across chunks."""
    choice = choices(LOGITS, temperature=temperature, tiling=Tiling(positions=512, tokens=tokens))
    observed = np.bincount(choice.tokens, minlength=VOCABULARY)
    assert stats.chisquare(observed, softmax(LOGITS / temperature) * observed.sum()).pvalue > 1e-3


def test_draws_follow_a_large_vocabulary() -> None:
    """Groups of 64 tokens are drawn first."""
    logits = np.sin(np.arange(256)) * 2
    choice = choices(logits, temperature=1.0, tiling=Tiling(positions=512, tokens=128))
    observed = np.bincount(choice.tokens, minlength=256)
    assert stats.chisquare(observed, softmax(logits) * observed.sum()).pvalue > 1e-3


def test_draws_follow_what_top_p_leaves() -> None:
    """Renormalised over the kept tokens; the others never occur."""
    choice = choices(LOGITS, temperature=1.0, top_p=0.7)
    stays = np.flatnonzero(reference_top_p(LOGITS, 0.7))
    observed = np.bincount(choice.tokens, minlength=VOCABULARY)
    expected = softmax(LOGITS)[stays] / softmax(LOGITS)[stays].sum()
    assert observed[stays].sum() == observed.sum()
    assert stats.chisquare(observed[stays], expected * observed.sum()).pvalue > 1e-3


def test_forbidden_tokens_keep_their_part_of_the_distribution() -> None:
    """Confidences are those of the reference, which could emit them; the draw takes from the others."""
    choice = choices(LOGITS, temperature=1.0, forbidden=(1, 3))
    np.testing.assert_allclose(np.exp(choice.log_probability), softmax(LOGITS)[choice.tokens], rtol=1e-5)
    others = np.delete(np.arange(VOCABULARY), [1, 3])
    observed = np.bincount(choice.tokens, minlength=VOCABULARY)
    expected = softmax(LOGITS)[others] / softmax(LOGITS)[others].sum()
    assert observed[[1, 3]].sum() == 0
    assert stats.chisquare(observed[others], expected * observed.sum()).pvalue > 1e-3


def test_removed_tokens_have_no_part_in_the_distribution() -> None:
    """The confidence is that among the others."""
    choice = choices(LOGITS, removed=(1,))
    assert (choice.tokens == 3).all()
    expected = softmax(np.delete(LOGITS, 1))
    np.testing.assert_allclose(np.exp(choice.log_probability), expected.max(), rtol=1e-5)
    np.testing.assert_allclose(choice.negative_entropy, (expected * np.log(expected)).sum(), rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("how", [{"top_p": 0.05}, {"top_k": 1}])
def test_where_only_forbidden_tokens_are_left_the_best_other_is_taken(temperature: float, how: dict[str, Any]) -> None:
    """A model that is sure of the mask token still writes a token that means something, with no confidence."""
    choice = choices(LOGITS, temperature=temperature, forbidden=(0, 1), **how)
    assert (choice.tokens == 3).all()
    assert np.isneginf(choice.log_probability).all()


IN_PARTS = ScriptedModel([0], [1.0], vocabulary=320, fill_id=0, vocabulary_parts=4)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_parts_of_the_vocabulary_side_by_side_are_parts_one_after_the_other(temperature: float) -> None:
    """What devices share is chosen from as by one device: the same draws, the same statistics."""
    logits = np.random.default_rng(0).normal(size=(16, 320)) / 8
    logits[:, 7] = logits[:, 200]  # a tie between two parts
    for top_p in (1.0, 0.999999, 0.5):
        one_by_one, side_by_side = (
            choices(
                logits,
                temperature=temperature,
                top_p=top_p,
                tiling=Tiling(positions=8, tokens=32, all_parts=all_parts),
                model=IN_PARTS,
            )
            for all_parts in (False, True)
        )
        np.testing.assert_array_equal(one_by_one.tokens, side_by_side.tokens)
        for alone, together in zip(one_by_one, side_by_side, strict=True):
            np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-5)
        if temperature == 0:
            np.testing.assert_array_equal(side_by_side.tokens, np.argmax(logits.astype(np.float32), axis=1))
