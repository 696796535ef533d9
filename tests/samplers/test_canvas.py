"""Prompts and the masked positions behind them, as one padded batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coda_eval.samplers.canvas import WIDTH_MULTIPLE, Canvas, build_canvas, prompt_width

FILL, PAD = 98, 99


def canvas_for(prompts: Any, *, width: int, new: int = 2, attend_padding: bool = False) -> Canvas:
    """With ids that no prompt has."""
    return build_canvas(
        prompts, width=width, max_new_tokens=new, fill_id=FILL, pad_id=PAD, attend_padding=attend_padding
    )


def test_prompts_stand_right_before_the_canvas() -> None:
    """Padded on the left, so that all canvases share their columns."""
    canvas = canvas_for([[1, 2, 3], [4]], width=4)
    assert canvas.tokens.tolist() == [[PAD, 1, 2, 3, FILL, FILL], [PAD, PAD, PAD, 4, FILL, FILL]]


def test_positions_count_from_the_first_token_of_the_prompt() -> None:
    """And padding is seen by nothing."""
    canvas = canvas_for([[1, 2, 3], [4]], width=4)
    assert canvas.positions.tolist() == [[0, 0, 1, 2, 3, 4], [0, 0, 0, 0, 1, 2]]
    assert canvas.key_mask.astype(int).tolist() == [[0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1]]


def test_attended_padding_counts_as_text() -> None:
    """As in CoDA's released evaluation, where a row depends on how wide its batch is."""
    canvas = canvas_for([[1, 2, 3], [4]], width=4, attend_padding=True)
    assert canvas.positions.tolist() == [[0, 1, 2, 3, 4, 5]] * 2
    assert canvas.key_mask.all()


@given(
    st.lists(st.lists(st.integers(0, 90), max_size=9), min_size=1, max_size=4),
    st.integers(0, 5),
    st.integers(1, 7),
)
def test_every_row_holds_its_prompt_where_it_is_seen(prompts: list[list[int]], spare: int, new: int) -> None:
    """What is seen of a row is its prompt and its canvas, at positions 0, 1, 2, ..."""
    canvas = canvas_for(prompts, width=max(map(len, prompts)) + spare, new=new)
    for row, prompt in enumerate(prompts):
        seen = canvas.key_mask[row]
        assert canvas.tokens[row][seen].tolist() == [*prompt, *[FILL] * new]
        assert canvas.positions[row][seen].tolist() == list(range(len(prompt) + new))
        assert (canvas.tokens[row][~seen] == PAD).all()


@given(st.integers(1, 3000))
def test_positions_never_overflow_the_dtype_of_the_device(width: int) -> None:
    """Indices are int32: JAX has no other without being asked."""
    canvas = canvas_for([[1]], width=width)
    assert {canvas.tokens.dtype, canvas.positions.dtype} == {np.dtype(np.int32)}
    assert canvas.positions.min() == 0


@pytest.mark.parametrize(
    ("lengths", "width"),
    [([1], WIDTH_MULTIPLE), ([WIDTH_MULTIPLE, 3], WIDTH_MULTIPLE), ([5, WIDTH_MULTIPLE + 1], 2 * WIDTH_MULTIPLE)],
)
def test_prompt_widths_are_rounded_up(lengths: list[int], width: int) -> None:
    """So that suites of nearly the same length share a compilation."""
    assert prompt_width(lengths) == width


def test_suffixes_stand_behind_the_canvas() -> None:
    """Padded on the right; with one, no stop token ends the text."""
    canvas = build_canvas(
        [[1, 2], [3]],
        width=2,
        max_new_tokens=2,
        fill_id=FILL,
        pad_id=PAD,
        suffixes=[[4], []],
        suffix_width=2,
    )
    assert canvas.tokens.tolist() == [[1, 2, FILL, FILL, 4, PAD], [PAD, 3, FILL, FILL, PAD, PAD]]
    assert canvas.key_mask.astype(int).tolist() == [[1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 0, 0]]
    assert canvas.positions[0, :5].tolist() == [0, 1, 2, 3, 4]
    assert canvas.ending.any(axis=1).tolist() == [False, True]


def test_holes_are_masked_where_they_are_asked_for() -> None:
    """Otherwise a mask token in a prompt is a token like any other."""
    for holes in (False, True):
        canvas = build_canvas([[1, FILL, 2]], width=4, max_new_tokens=1, fill_id=FILL, pad_id=PAD, holes=holes)
        assert canvas.masked.astype(int).tolist() == [[0, 0, int(holes), 0, 1]]
