"""How many positions each step commits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coda_eval.samplers.schedule import transfer_ratios


def counts(new: int, steps: int) -> list[int]:
    """Tokens committed by each step from a canvas of `new` masks, truncated as the reference truncates them."""
    masks, committed = new, []
    for ratio in transfer_ratios(steps)[0, :steps]:
        committed.append(int(np.float32(masks) * ratio))
        masks -= committed[-1]
    return committed


def runs(values: list[int]) -> list[tuple[int, int]]:
    """Equal neighbours as (value, how many)."""
    ends = [*(i for i in range(1, len(values)) if values[i] != values[i - 1]), len(values)]
    return [(values[end - 1], end - start) for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize(
    ("new", "steps", "expected"),
    [
        (24, 24, [(0, 1), (1, 22), (2, 1)]),
        (768, 768, [(0, 1), (1, 766), (2, 1)]),
        (999, 999, [(0, 2), (1, 996), (3, 1)]),  # by torch 2.13; unfused arithmetic gives another table
        (1024, 1024, [(0, 2), (1, 1021), (3, 1)]),
        (768, 1024, [(0, 258), (1, 765), (3, 1)]),
        (768, 512, [(1, 258), (2, 253), (4, 1)]),
        (768, 256, [(2, 1), (3, 254), (4, 1)]),
        (768, 128, [(5, 1), (6, 126), (7, 1)]),
        (768, 64, [(11, 1), (12, 62), (13, 1)]),
        (768, 32, [(23, 1), (24, 30), (25, 1)]),
        (512, 128, [(3, 1), (4, 126), (5, 1)]),
        (256, 128, [(1, 1), (2, 126), (3, 1)]),
    ],
)
def test_counts_equal_those_of_the_reference(new: int, steps: int, expected: list[tuple[int, int]]) -> None:
    """CoDA and Dream, generation_utils.py:507-512; one token a step begins with a step that commits none."""
    assert runs(counts(new, steps)) == expected


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 1500), st.integers(1, 1500))
def test_every_mask_is_committed_in_the_end(new: int, steps: int) -> None:
    """Whatever the number of steps, none of which takes anything back."""
    committed = counts(new, steps)
    assert sum(committed) == new
    assert min(committed) >= 0


@pytest.mark.parametrize("steps", [1, 2, 1023, 1024])
def test_step_counts_share_a_shape(steps: int) -> None:
    """So that a sweep compiles once: the last step takes everything, and what lies behind it nothing."""
    ratios = transfer_ratios(steps)
    assert ratios.shape == (1, 1024)
    assert ratios[0, steps - 1] == 1
    assert not ratios[0, steps:].any()


def test_more_steps_than_the_shape_holds_make_it_longer() -> None:
    """By a multiple, so that neighbours share it again."""
    assert transfer_ratios(1025).shape == transfer_ratios(2048).shape == (1, 2048)


def test_schedules_of_different_lengths_share_a_shape() -> None:
    """Blocks of a step more beside the others."""
    ratios = transfer_ratios(3, 4)
    assert ratios.shape == (2, 1024)
    np.testing.assert_array_equal(ratios[1], transfer_ratios(4)[0])
