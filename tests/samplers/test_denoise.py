"""What the loop on the device guarantees, beside the golden trajectories."""

from __future__ import annotations

import dataclasses
import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
from golden_data import Golden
from samplers.decoding import NaiveDecoder, WithoutStops, decode_by_rules, decode_rows

from coda_eval.config import SamplerConfig
from coda_eval.models.checkpoint import load_checkpoint
from coda_eval.samplers.denoise import NOT_COMMITTED
from coda_eval.testing import ScriptedModel

PROMPTS = ([5, 9, 12], [7, 7, 30, 41, 3], [88])
WIDTH = 5
SMALL = SamplerConfig(max_new_tokens=12)
BLOCKS = dataclasses.replace(SMALL, block_length=5)
"""Three blocks of five for twelve tokens: rounded up, and cut."""

RULES: dict[str, dict[str, dict[str, Any]]] = {
    "probability": {
        "maskgit_plus": {"algorithm": "maskgit_plus"},
        "quotas": {"algorithm": "low_confidence"},
        "threshold": {"threshold": 0.06},
        "factor": {"factor": 2.85},
        "hierarchy": {"algorithm": "hierarchy", "threshold": 0.06},
    },
    "margin": {
        "topk_margin": {"algorithm": "topk_margin"},
        "margin_threshold": {"algorithm": "topk_margin", "threshold": 0.02},
    },
    "entropy": {
        "entropy": {"algorithm": "entropy"},
        "entropy_threshold": {"algorithm": "entropy", "threshold": 1.0},
        "entropy_bound": {"algorithm": "entropy", "entropy_bound": 9.0},
    },
}
"""By the confidence that they look at."""
STEPS = {"probability": 7, "margin": 20, "entropy": 12}
"""Fewer than there are positions, and more."""
CACHES: dict[str, dict[str, Any]] = {
    "none": {},
    "prefix": {"cache": "prefix"},
    "dual": {"cache": "dual"},
    "vicinity": {"cache": "vicinity", "vicinity": 2},
    "every-n": {"cache": "every-n", "refresh_every": 1},
}


@cache
def model_of(name: str = "coda-tiny") -> Any:
    """A tiny model with random weights, so that confidences are distinct."""
    return load_checkpoint(Golden(name).directory)


@cache
def naive_of(name: str = "coda-tiny") -> NaiveDecoder:
    """Its forwards compiled once."""
    return NaiveDecoder(model_of(name))


OFTEN = {
    *(("probability", caching, 5, "coda-tiny") for caching in CACHES),
    ("margin", "dual", 5, "coda-tiny"),
    ("entropy", "none", 12, "coda-tiny"),
    ("entropy", "dual", 5, "coda-tiny"),
    ("probability", "dual", 5, "llada-tiny"),
}
"""Every rule, every cache, one block and several, outputs that are shifted (`coda-tiny`) and that are not."""
CROSSED = [
    pytest.param(*case, marks=() if case in OFTEN else pytest.mark.exhaustive)
    for case in itertools.product(RULES, CACHES, (5, 12), ("coda-tiny", "llada-tiny"))
]


@pytest.mark.parametrize(("confidence", "caching", "block_length", "name"), CROSSED)
def test_every_rule_with_every_cache_equals_a_plain_python_loop(
    confidence: str, caching: str, block_length: int, name: str
) -> None:
    """Batch against row by row, up to where each text ends: tokens, steps, forwards by kind.

    One block, or three of five for twelve tokens. Rows take different numbers of forwards in a block: none is
    refreshed for the sake of another.
    """
    model, naive, rules = model_of(name), naive_of(name), RULES[confidence]
    base = dataclasses.replace(SMALL, block_length=block_length, steps=STEPS[confidence], **CACHES[caching])
    configs = [dataclasses.replace(base, **how) for how in rules.values()]
    for rule, config, rows in zip(rules, configs, decode_by_rules(model, PROMPTS, configs, width=WIDTH), strict=True):
        for row, prompt in enumerate(PROMPTS):
            tokens, committed, full, windows = naive.decode(prompt, config, rule=rule)
            stops = np.isin(tokens, model.stop_ids) & (committed >= 0)
            end = min(int(np.argmax(stops)) + 1 if stops.any() else len(tokens), SMALL.max_new_tokens or 0)
            assert rows.tokens[row, WIDTH : WIDTH + end].tolist() == tokens[:end].tolist(), rule
            assert rows.committed_at[row, WIDTH : WIDTH + end].tolist() == committed[:end].tolist(), rule
            assert (rows.nfe_full[row], rows.nfe_window[row]) == (full, windows), rule


@pytest.mark.parametrize("caching", ["dual", pytest.param("prefix", marks=pytest.mark.exhaustive)])
def test_infilling_with_a_cache_equals_a_plain_python_loop(caching: str) -> None:
    """Between a prefix and a suffix of another length in each row; the suffix is seen, and cached."""
    model, naive = model_of(), naive_of()
    config = dataclasses.replace(SMALL, max_new_tokens=10, block_length=5, threshold=0.06, **CACHES[caching])
    suffixes = [[30, 7], [12, 5, 9, 41], [3]]
    rows = decode_rows(model, PROMPTS, config, width=WIDTH, suffixes=suffixes, suffix_width=4)
    for row, (prompt, suffix) in enumerate(zip(PROMPTS, suffixes, strict=True)):
        tokens, committed, full, windows = naive.decode(prompt, config, rule="threshold", suffix=suffix)
        assert rows.tokens[row, WIDTH : WIDTH + 10].tolist() == tokens.tolist()
        assert rows.committed_at[row, WIDTH : WIDTH + 10].tolist() == committed.tolist()
        assert (rows.nfe_full[row], rows.nfe_window[row]) == (full, windows)
        assert rows.tokens[row, WIDTH + 10 : WIDTH + 10 + len(suffix)].tolist() == suffix


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("caching", [None, "dual"])
def test_a_row_does_not_depend_on_its_batch(temperature: float, caching: str | None) -> None:
    """Alone, among others and in another order, a prompt gets the same completion."""
    model = model_of()
    config = dataclasses.replace(BLOCKS, threshold=0.06, temperature=temperature, cache=caching)
    together = decode_rows(model, PROMPTS, config, width=WIDTH)
    if not temperature:  # keys go by place in the batch here
        backwards = decode_rows(model, PROMPTS[::-1], config, width=WIDTH)
        np.testing.assert_array_equal(together.tokens, backwards.tokens[::-1])
    alone = decode_rows(model, PROMPTS[:1], config, width=WIDTH)
    np.testing.assert_array_equal(alone.tokens[0], together.tokens[0])
    assert alone.nfe_window[0] == together.nfe_window[0]
    assert alone.nfe_full[0] == together.nfe_full[0]


@pytest.mark.parametrize("caching", ["none", "vicinity"])
def test_padding_is_invisible(caching: str) -> None:
    """More padding before a prompt changes nothing, nor does a vicinity that is wider than the prompt."""
    config = dataclasses.replace(BLOCKS, **CACHES[caching])
    narrow, wide = (decode_rows(model_of(), [PROMPTS[2]], config, width=width) for width in (1, 9))
    columns = 3 * 5
    np.testing.assert_array_equal(narrow.tokens[:, -columns:], wide.tokens[:, -columns:])
    np.testing.assert_array_equal(narrow.committed_at[:, -columns:], wide.committed_at[:, -columns:])


def test_a_stop_token_ends_a_text_as_all_steps_would_have_given_it() -> None:
    """The stop token is one that the model writes by itself somewhere in the middle."""
    model = model_of()
    config = dataclasses.replace(SMALL, algorithm="entropy")
    whole = decode_rows(WithoutStops(model), PROMPTS, config, width=WIDTH)
    for row, prompt in enumerate(PROMPTS):
        stopping = WithoutStops(model)
        stopping.stop_ids = (int(whole.tokens[row, WIDTH + 4]),)
        stopped = decode_rows(stopping, [prompt], config, width=WIDTH)
        end = whole.tokens[row, WIDTH:].tolist().index(stopping.stop_ids[0])
        assert (
            stopped.tokens[0, WIDTH : WIDTH + end + 1].tolist() == whole.tokens[row, WIDTH : WIDTH + end + 1].tolist()
        )
        assert stopped.nfe_full[0] <= whole.nfe_full[row]


@pytest.mark.parametrize("temperature", [0.0, 5.0])
def test_only_emittable_tokens_are_written(temperature: float) -> None:
    """Neither the mask token nor an id that the tokenizer lacks, however sure the model is of it."""
    mask, beyond = 6, 7
    model = ScriptedModel([mask, beyond, mask, beyond], [9.0] * 4, vocabulary=8, fill_id=mask, emittable=range(6))
    config = SamplerConfig(max_new_tokens=3, algorithm="maskgit_plus", temperature=temperature)
    assert decode_rows(model, [[1]] * 64, config, width=1).tokens.max() < 6


def test_ends_when_no_mask_stands_before_the_first_stop_token() -> None:
    """The sure stop token at position 3 is committed first, then what stands before it; the rest is left masked."""
    stop, mask = 4, 5
    script = [0, 1, 2, 3, stop, 1, 2, 3, 1]
    sureness = [0.0, 5.0, 4.0, 3.0, 9.0, 2.0, 1.9, 1.8, 1.7]
    model = ScriptedModel(script, sureness, vocabulary=6, fill_id=mask, stop_ids=(stop,))
    rows = decode_rows(model, [[0]], SamplerConfig(max_new_tokens=8, algorithm="maskgit_plus"), width=1)
    assert rows.tokens[0, 1:].tolist() == [1, 2, 3, stop, mask, mask, mask, mask]
    assert rows.nfe_full[0] == 4


def test_steps_that_commit_nothing_run_no_forward() -> None:
    """With more steps than tokens most counts are truncated to zero; each token still takes one forward."""
    model = ScriptedModel([1] * 5, [5.0, 4.0, 3.0, 2.0, 1.0], vocabulary=4, fill_id=3)
    rows = decode_rows(model, [[0]], SamplerConfig(max_new_tokens=4, steps=64, algorithm="entropy"), width=1)
    assert rows.nfe_full[0] <= 4
    assert (rows.committed_at != NOT_COMMITTED).all()


def test_equal_confidences_are_committed_from_the_left() -> None:
    """Ties are broken by position."""
    model = ScriptedModel([1] * 7, [2.0] * 7, vocabulary=4, fill_id=3)
    rows = decode_rows(model, [[0]], SamplerConfig(max_new_tokens=6, steps=6, algorithm="maskgit_plus"), width=1)
    committed = rows.committed_at[0, 1:].tolist()
    assert committed == sorted(committed)


def test_several_blocks_are_filled_at_once() -> None:
    """A block joins when enough of the one before it is filled, and may commit what the model is sure of."""
    sureness = [0.0, 9.0, 1.0, 1.1, 1.2, 9.0, 9.0, 1.3, 1.4, 1.5, 9.0, 9.0, 9.0]
    model = ScriptedModel([1] * 13, sureness, vocabulary=4, fill_id=3)
    config = SamplerConfig(max_new_tokens=12, block_length=4, threshold=0.9, join_at=0.25, lead_at=1.0)
    rows = decode_rows(model, [[0]], config, width=1)
    # Position 1 is sure, so the second block joins after the first step, and from it positions 5 and 6 are taken at
    # once: then the third joins. The first block commits its best each step.
    assert rows.committed_at[0, 1:].tolist() == [0, 3, 2, 1, 1, 1, 5, 4, 6, 2, 2, 2]


def test_stop_tokens_come_last_where_that_is_asked_for() -> None:
    """The surest token is a stop token: alone of a block it is committed when everything else is."""
    stop, mask = 4, 5
    model = ScriptedModel([0, 1, stop, 2, 3], [0.0, 1.0, 9.0, 2.0, 3.0], vocabulary=6, fill_id=mask, stop_ids=(stop,))
    config = SamplerConfig(max_new_tokens=4, algorithm="low_confidence", end_of_text="last")
    assert decode_rows(model, [[0]], config, width=1).committed_at[0, 1:].tolist() == [2, 3, 1, 0]


def test_forbidden_end_of_text_is_never_written() -> None:
    """The model is sure of its padding token; the second best is written, with the confidence of what is left."""
    model = ScriptedModel([0] * 4, [9.0] * 4, vocabulary=4, fill_id=3)
    config = SamplerConfig(max_new_tokens=3, algorithm="low_confidence", end_of_text="forbid")
    assert decode_rows(model, [[1]], config, width=1).tokens[0].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("algorithm", ["origin", "random"])
def test_chance_decides_where_confidence_plays_no_part(algorithm: str) -> None:
    """Over many rows every position is equally early, however sure the model is of it."""
    model = ScriptedModel([1] * 5, [9.0, 8.0, 7.0, 6.0, 5.0], vocabulary=4, fill_id=3)
    rows = decode_rows(model, [[0]] * 400, SamplerConfig(max_new_tokens=4, algorithm=algorithm), width=1)
    mean = rows.committed_at[:, 1:].mean(axis=0)
    assert np.ptp(mean) < 0.35
    assert len(np.unique(rows.committed_at[:, 1:], axis=0)) > 10


def test_alg_temp_draws_positions_by_confidence() -> None:
    """The first of two positions is taken with the probability softmax(confidence / alg_temp)."""
    model = ScriptedModel([1] * 3, [0.0, 3.0, 1.0], vocabulary=4, fill_id=3)
    config = SamplerConfig(max_new_tokens=2, algorithm="low_confidence", alg_temp=0.5)
    rows = decode_rows(model, [[0]] * 2000, config, width=1)
    confidences = np.exp([3.0, 1.0]) / (np.exp([3.0, 1.0]) + 3)
    expected = 1 / (1 + np.exp((confidences[1] - confidences[0]) / 0.5))
    assert abs((rows.committed_at[:, 1] == 0).mean() - expected) < 0.04
