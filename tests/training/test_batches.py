"""Batches of exercises as token rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from coda_eval.training.batches import CANVAS_WIDTH, ROW_WIDTH, Batch, draw_batch
from coda_eval.training.exercises.catalogue import FAMILIES
from coda_eval.training.exercises.corpus import mini_rows

SIZE = 16


@pytest.fixture(scope="module")
def batches(tokenizer: PreTrainedTokenizerFast) -> list[Batch]:
    """Of the first steps."""
    return [draw_batch(tokenizer, seed=0, step=step, size=SIZE) for step in range(8)]


def texts(batches: list[Batch], tokenizer: PreTrainedTokenizerFast) -> list[tuple[str, str]]:
    """The prompt and the completion of each row."""
    return [
        (tokenizer.decode(row[:start]), tokenizer.decode(row[start : end - 1]))
        for batch in batches
        for row, start, end in zip(batch.tokens, batch.start, batch.text_end, strict=True)
    ]


def test_seed_and_step_decide_a_batch(batches: list[Batch], tokenizer: PreTrainedTokenizerFast) -> None:
    """Whatever was drawn before, so that training resumes at any step."""
    again = draw_batch(tokenizer, seed=0, step=5, size=SIZE)
    for field, expected in zip(again, batches[5], strict=True):
        np.testing.assert_array_equal(field, expected)


def test_other_steps_and_seeds_give_other_batches(batches: list[Batch], tokenizer: PreTrainedTokenizerFast) -> None:
    """All different from each other."""
    others = [*batches, draw_batch(tokenizer, seed=1, step=0, size=SIZE)]
    assert not any((a.tokens == b.tokens).all() for a, b in itertools.combinations(others, 2))


def test_rows_decode_to_programs(batches: list[Batch], tokenizer: PreTrainedTokenizerFast) -> None:
    """Cut at `start`, a row is the whole prompt of an exercise and a completion that continues it."""
    prompts = {family.prompt(terms) for family in FAMILIES for terms in family.choices}
    for prompt, completion in texts(batches, tokenizer):
        assert prompt in prompts
        compile(prompt + completion, "row", "exec")
        assert "return" in completion


def test_rows_end_with_end_of_text(batches: list[Batch], tokenizer: PreTrainedTokenizerFast) -> None:
    """The first one belongs to the text, and nothing else stands behind it."""
    end_of_text = np.stack([batch.tokens == tokenizer.eos_token_id for batch in batches])
    text_end = np.stack([batch.text_end for batch in batches])
    assert (end_of_text == (text_end[..., None] - 1 <= np.arange(ROW_WIDTH))).all()


def test_no_row_holds_a_mask(batches: list[Batch], tokenizer: PreTrainedTokenizerFast) -> None:
    """Noise is drawn later."""
    assert not any((batch.tokens == tokenizer.mask_token_id).any() for batch in batches)


def test_texts_fit_their_row_and_completions_their_canvas(batches: list[Batch]) -> None:
    """With the end-of-text token that the model has to write."""
    for batch in batches:
        assert (batch.text_end <= ROW_WIDTH).all()
        assert (batch.text_end - batch.start <= CANVAS_WIDTH).all()
        assert (batch.start > 0).all()


def test_no_prompt_of_mini_is_trained_on(batches: list[Batch], tokenizer: PreTrainedTokenizerFast) -> None:
    """They are held out."""
    held_out = {row["prompt"] for row in mini_rows()}
    assert held_out.isdisjoint(prompt for prompt, _ in texts(batches, tokenizer))
