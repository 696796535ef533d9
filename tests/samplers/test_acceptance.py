"""Which positions each rule commits, beside the rule written out in Python."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coda_eval.samplers.acceptance import AcceptanceKnobs, AcceptanceRule, Offer, Pace, rank
from coda_eval.samplers.parallel import HIERARCHY_FLOOR, EntropyBound, Factor, Hierarchy, Threshold
from coda_eval.samplers.scheduled import LeftToRight, MostConfident, quotas, transfer_counts

LENGTH = 8
confidences = st.lists(st.integers(1, 99), min_size=LENGTH, max_size=LENGTH, unique=True).map(
    lambda values: np.array(values) / 100
)
masks = st.lists(st.booleans(), min_size=LENGTH, max_size=LENGTH).filter(any).map(np.array)
jitted = jax.jit(lambda rule, offer: rule.accept(offer), static_argnums=0)


def accept(
    rule: AcceptanceRule,
    confidence: Any,
    candidates: Any,
    *,
    threshold: float = 1.0,
    factor: float = 0.0,
    bound: float = 0.0,
    steps_left: int = 1000,
) -> list[int]:
    """The positions that a rule commits of one row."""
    offer = Offer(
        confidence=jnp.asarray(np.where(candidates, confidence, -np.inf), jnp.float32)[None],
        candidates=jnp.asarray(candidates)[None],
        leading=jnp.asarray(candidates)[None],
        pace=Pace(jnp.asarray([candidates.sum()], jnp.int32), jnp.asarray([steps_left], jnp.int32), jnp.zeros((1,))),
        knobs=AcceptanceKnobs(jnp.float32(0), jnp.float32(threshold), jnp.float32(factor), jnp.float32(bound)),
        luck=jnp.zeros((1, LENGTH)),
    )
    return np.flatnonzero(jitted(rule, offer)[0]).tolist()


def best_first(confidence: Any, candidates: Any) -> list[int]:
    """Candidates from the surest to the least sure."""
    return [place for place in np.argsort(-confidence, kind="stable").tolist() if candidates[place]]


@given(confidences, masks, st.integers(1, 100))
def test_threshold_takes_what_reaches_it_and_always_the_best(confidence: Any, candidates: Any, percent: int) -> None:
    """Fast-dLLM's rule."""
    order = best_first(confidence, candidates)
    expected = {order[0], *(place for place in order if np.float32(confidence[place]) >= np.float32(percent / 100))}
    assert accept(Threshold(), confidence, candidates, threshold=percent / 100) == sorted(expected)


@given(confidences, masks, st.integers(1, 12))
def test_steps_bound_the_forwards_of_a_threshold(confidence: Any, candidates: Any, steps_left: int) -> None:
    """At threshold 1 as many are committed as the steps that are left ask for."""
    order = best_first(confidence, candidates)
    expected = order[: -(-len(order) // steps_left)]
    assert accept(Threshold(), confidence, candidates, steps_left=steps_left) == sorted(expected)


@given(confidences, masks, st.floats(0.125, 4, width=32))
def test_factor_takes_the_longest_prefix_that_holds(confidence: Any, candidates: Any, factor: float) -> None:
    """(n + 1)(1 - c_n) < factor."""
    order = best_first(confidence, candidates)
    left_sides = [(n + 1) * (1 - confidence[place]) for n, place in enumerate(order, start=1)]
    if min(abs(side - factor) for side in left_sides) < 1e-5:
        return
    longest = max((n for n, side in enumerate(left_sides, start=1) if side < factor), default=1)
    assert accept(Factor(), confidence, candidates, factor=factor) == sorted(order[:longest])


@given(confidences, masks, st.integers(0, 400))
def test_entropy_bound_takes_a_prefix_within_the_bound(confidence: Any, candidates: Any, percent: int) -> None:
    """The entropies of the prefix less the largest of them; here the confidence is a negative entropy."""
    entropy, bound = 1 - confidence, (percent + 0.5) / 100
    order = best_first(-entropy, candidates)
    longest = max(n for n in range(1, len(order) + 1) if sum(entropy[place] for place in order[: n - 1]) <= bound)
    assert accept(EntropyBound(), -entropy, candidates, bound=bound) == sorted(order[:longest])


@given(confidences, masks)
def test_hierarchy_takes_the_best_of_each_run(confidence: Any, candidates: Any) -> None:
    """Where it is sure enough, and the best of all in any case."""
    runs = np.split(np.arange(LENGTH), np.flatnonzero(np.diff(candidates)) + 1)
    best = [run[confidence[run].argmax()] for run in runs if candidates[run[0]]]
    expected = {best_first(confidence, candidates)[0]}
    expected |= {int(place) for place in best if np.float32(confidence[place]) > np.float32(HIERARCHY_FLOOR)}
    assert accept(Hierarchy(), confidence, candidates) == sorted(expected)


@given(confidences, masks, st.integers(1, 12))
def test_quotas_take_equal_shares_the_larger_first(confidence: Any, candidates: Any, steps: int) -> None:
    """LLaDA's table: n // S each, one more for the first n % S steps."""
    n, left = int(candidates.sum()), candidates.copy()
    for step in range(steps):
        taken = accept(MostConfident(quotas), confidence, left, steps_left=steps - step) if left.any() else []
        assert len(taken) == n // steps + (step < n % steps)
        assert taken == sorted(best_first(confidence, left)[: len(taken)])
        left[taken] = False
    assert not left.any()


@given(confidences, masks)
def test_left_to_right_takes_the_first_mask(confidence: Any, candidates: Any) -> None:
    """However sure the model is of others."""
    assert accept(LeftToRight(), confidence, candidates) == [int(np.argmax(candidates))]


@given(st.lists(st.integers(0, 3), min_size=LENGTH, max_size=LENGTH))
def test_rank_is_a_stable_order(values: list[int]) -> None:
    """Equal scores go by position."""
    order = np.argsort(-np.array(values), kind="stable")
    assert np.asarray(rank(jnp.asarray([values], jnp.float32)))[0][order].tolist() == list(range(LENGTH))


@pytest.mark.parametrize(("masks", "ratio", "count"), [(24, 0.0416, 0), (24, 0.042, 1), (7, 1.0, 7)])
def test_counts_are_truncated_in_float32(masks: int, ratio: float, count: int) -> None:
    """As in the reference."""
    pace = Pace(jnp.asarray([masks]), jnp.asarray([5]), jnp.asarray([ratio], jnp.float32))
    assert transfer_counts(pace).tolist() == [count]
    assert MostConfident(transfer_counts).idle(pace).tolist() == [count == 0]
