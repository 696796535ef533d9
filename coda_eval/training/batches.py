"""Batches of exercises as token rows, each decided by (seed, step) alone, so that training resumes where it stopped."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerFast

from coda_eval.training.exercises import training_exercises

CANVAS_WIDTH = 64
"""Completion and end-of-text tokens together: what `--max-new-tokens` is at inference."""
ROW_WIDTH = 104
"""Room for most prompts and a whole canvas behind them. Behind a longer prompt the canvas is cut; the few texts that do
not fit are left out."""


class Batch(NamedTuple):
    """Rows of prompt, completion and end-of-text tokens, left-aligned in a fixed width."""

    tokens: np.ndarray[Any, Any]
    """int32 [B, L]."""
    start: np.ndarray[Any, Any]
    """int32 [B]: where the completion starts."""
    text_end: np.ndarray[Any, Any]
    """int32 [B]: behind the first end-of-text token."""


def draw_batch(tokenizer: PreTrainedTokenizerFast, *, seed: int, step: int, size: int) -> Batch:
    """The batch of one training step."""
    exercise_seed = int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])
    stream = training_exercises(exercise_seed)
    tokens = np.full((size, ROW_WIDTH), tokenizer.eos_token_id, np.int32)
    start, text_end = np.empty(size, np.int32), np.empty(size, np.int32)
    row = 0
    while row < size:
        pairs = list(itertools.islice(stream, size - row))
        encoded = tokenizer([text for pair in pairs for text in pair])["input_ids"]
        for prompt, completion in zip(encoded[::2], encoded[1::2], strict=True):
            end = len(prompt) + len(completion) + 1
            if end > ROW_WIDTH:
                continue
            tokens[row, : end - 1] = prompt + completion
            start[row], text_end[row] = len(prompt), end
            row += 1
    return Batch(tokens=tokens, start=start, text_end=text_end)
