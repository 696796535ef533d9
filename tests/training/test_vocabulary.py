"""The tokenizer of the embedded models."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from coda_eval.training.exercises import training_exercises
from coda_eval.training.exercises.catalogue import FAMILIES
from coda_eval.training.vocabulary import END_OF_TEXT, MASK, VOCABULARY_SIZE, build_tokenizer

LONGEST_PROMPT = 64
LONGEST_COMPLETION = 63


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(0)


def test_vocabulary_is_full(tokenizer: PreTrainedTokenizerFast) -> None:
    """Exactly so many tokens, special ones included."""
    assert len(tokenizer) == VOCABULARY_SIZE == 512


def test_special_tokens_have_their_parts(tokenizer: PreTrainedTokenizerFast) -> None:
    """End-of-text ends and pads; the mask is a token of its own."""
    assert tokenizer.eos_token == tokenizer.pad_token == END_OF_TEXT
    assert tokenizer.mask_token == MASK
    assert tokenizer.mask_token_id != tokenizer.eos_token_id


@given(st.text())
def test_any_text_round_trips(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    """All bytes are in the alphabet."""
    assert tokenizer.decode(tokenizer.encode(text), clean_up_tokenization_spaces=False) == text


def test_newline_and_indentation_are_one_token(tokenizer: PreTrainedTokenizerFast) -> None:
    """So that a model decides on a line's depth at once."""
    for depth in range(4):
        assert len(tokenizer.encode("\n" + "    " * depth)) == 1


def test_digits_stay_apart(tokenizer: PreTrainedTokenizerFast) -> None:
    """A number of five digits is five tokens."""
    assert len(tokenizer.encode("12345")) == 5


def test_two_builds_write_identical_files(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    """The seed decides every byte."""
    tokenizer.save_pretrained(tmp_path / "first")
    build_tokenizer(0).save_pretrained(tmp_path / "second")
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / build).iterdir()} for build in ("first", "second")
    )
    assert first == second


def test_prompts_fit(tokenizer: PreTrainedTokenizerFast) -> None:
    """No prompt of any combination is longer than the canvas allows."""
    prompts = [family.prompt(terms) for family in FAMILIES for terms in family.choices]
    assert max(map(len, tokenizer(prompts)["input_ids"])) <= LONGEST_PROMPT


def test_completions_fit(tokenizer: PreTrainedTokenizerFast) -> None:
    """In a large sample no completion is longer than the canvas allows."""
    completions = [completion for _, completion in itertools.islice(training_exercises(seed=2), 30_000)]
    assert max(map(len, tokenizer(completions)["input_ids"])) <= LONGEST_COMPLETION
