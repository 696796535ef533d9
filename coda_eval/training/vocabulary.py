"""The tokenizer of the embedded models: byte-level BPE made from a sample of the corpus."""

from __future__ import annotations

import itertools

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from coda_eval.training.exercises import training_exercises

END_OF_TEXT = "<|endoftext|>"
MASK = "<|mask|>"
VOCABULARY_SIZE = 512
SAMPLE_SIZE = 20_000
"""Pairs of the corpus that the merges are counted on."""

# A newline with the indentation after it is one piece, and so is a digit. A letter-only word takes the space before it.
_PIECES = Regex(r"\n[ ]*|[0-9]| ?[A-Za-z]+| ?[^\sA-Za-z0-9]+|\s+")


def build_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """The tokenizer made from the corpus of this seed; two builds are identical."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECES, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[AddedToken(END_OF_TEXT, special=True), AddedToken(MASK, special=True)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    pairs = itertools.islice(training_exercises(seed), SAMPLE_SIZE)
    # apart, as a model meets them: the first indentation of a completion follows no newline
    tokenizer.train_from_iterator(itertools.chain.from_iterable(pairs), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        mask_token=MASK,
        clean_up_tokenization_spaces=False,
    )
