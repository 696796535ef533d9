"""Decoding batches: what a request gets, and what is refused before anything is compiled."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from coda_eval.config import SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.samplers.denoise import denoise
from coda_eval.samplers.sampler import Completion, Request, Sampler, resolve_algorithm
from coda_eval.testing import ScriptedModel

VOCABULARY, MASK, STOP = 12, 11, 10
NEW, WIDTH, BATCH = 5, 8, 4
SCRIPT = [0, 1, 2, 3, STOP, 5, 6, 7, 8, 9, 0, 1, 2]
"""What stands at each position, whatever the prompt is: a prompt of two tokens is continued by 2, 3 and the stop."""
GREEDY = SamplerConfig(max_new_tokens=NEW, batch_size=BATCH)
RANDOM = dataclasses.replace(GREEDY, temperature=1.0)


@pytest.fixture(scope="module")
def sure() -> ScriptedModel:
    """Surest at the left."""
    return ScriptedModel(
        SCRIPT, np.linspace(9, 6, len(SCRIPT)).tolist(), vocabulary=VOCABULARY, fill_id=MASK, stop_ids=(STOP,)
    )


@pytest.fixture(scope="module")
def undecided() -> ScriptedModel:
    """Every token is about as probable as any other."""
    return ScriptedModel(SCRIPT, [0.5] * len(SCRIPT), vocabulary=VOCABULARY, fill_id=MASK)


def request_of(length: int, *, problem: str = "problem", sample: int = 0) -> Request:
    """A prompt of that many tokens."""
    return Request(prompt=[1] * length, problem=problem, sample=sample)


def compilations() -> int:
    """How many programs the loop has been compiled to."""
    count: int = denoise._cache_size()  # of jax.jit, and nowhere documented
    return count


def decode(model: ScriptedModel, *requests: Request, config: SamplerConfig = GREEDY) -> list[Completion]:
    """The completions of one batch."""
    return Sampler(model, config, width=WIDTH).decode(requests).completions


def test_a_completion_ends_before_its_first_stop_token(sure: ScriptedModel) -> None:
    """The stop token is not a part of it, and nothing behind it is."""
    (completion,) = decode(sure, request_of(2))
    assert completion.tokens == (2, 3)
    assert completion.stop_reason == "stop_token"


def test_a_completion_without_a_stop_token_fills_its_canvas(sure: ScriptedModel) -> None:
    """The reason says so."""
    (completion,) = decode(sure, request_of(6))
    assert completion.tokens == (6, 7, 8, 9, 0)
    assert completion.stop_reason == "length"


def test_an_empty_completion_is_a_completion(sure: ScriptedModel) -> None:
    """The model may stop at once."""
    (completion,) = decode(sure, request_of(4))
    assert completion.tokens == ()
    assert completion.stop_reason == "stop_token"


def test_forwards_are_counted_until_the_row_is_done(sure: ScriptedModel) -> None:
    """A row that stops early took fewer than its batch, though it stayed in it.

    Of five steps for five tokens the first commits none, and is left out, and the last commits two.
    """
    assert [completion.forwards for completion in decode(sure, request_of(2), request_of(6))] == [3, 4]


def test_fewer_steps_take_fewer_forwards(sure: ScriptedModel) -> None:
    """Several tokens a step; None takes one a step."""
    assert Sampler(sure, GREEDY, width=WIDTH).steps == NEW
    (completion,) = decode(sure, request_of(6), config=dataclasses.replace(GREEDY, steps=2))
    assert completion.tokens == (6, 7, 8, 9, 0)
    assert completion.forwards == 2


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_short_batch_gives_as_many_completions_as_requests(sure: ScriptedModel, count: int) -> None:
    """In their order, equal to those of a full batch."""
    requests = [request_of(length) for length in (1, 6, 2, 3)]
    assert decode(sure, *requests[:count]) == decode(sure, *requests)[:count]


def test_a_request_gets_the_same_completion_in_any_batch(undecided: ScriptedModel) -> None:
    """Also where tokens are drawn: alone, in another order, among other requests."""
    requests = [request_of(2, problem=f"p{i % 2}", sample=i // 2) for i in range(4)]
    together = decode(undecided, *requests, config=RANDOM)
    assert decode(undecided, *requests[::-1], config=RANDOM) == together[::-1]
    assert [decode(undecided, request, config=RANDOM)[0] for request in requests] == together
    others = [request_of(5, problem="other"), requests[2]]
    assert decode(undecided, *others, config=RANDOM)[1] == together[2]


def test_draws_depend_on_the_seed_the_problem_and_the_sample(undecided: ScriptedModel) -> None:
    """Each alone gives another completion of the same prompt."""
    first, problem, sample = decode(
        undecided, request_of(2), request_of(2, problem="other"), request_of(2, sample=1), config=RANDOM
    )
    (seed,) = decode(undecided, request_of(2), config=dataclasses.replace(RANDOM, seed=1))
    assert len({completion.tokens for completion in (first, problem, sample, seed)}) == 4


def test_what_is_compiled_ahead_is_not_compiled_again(sure: ScriptedModel) -> None:
    """So that the seconds of a batch hold no compilation."""
    sampler = Sampler(sure, dataclasses.replace(GREEDY, batch_size=2), width=WIDTH)
    compiled = compilations()
    sampler.compile()
    assert compilations() == compiled + 1
    sampler.decode([request_of(2), request_of(6)])
    assert compilations() == compiled + 1


def test_more_positions_than_the_model_has_are_refused() -> None:
    """The message has all the numbers."""
    model = ScriptedModel(SCRIPT, [1.0] * 13, vocabulary=VOCABULARY, fill_id=MASK, max_positions=WIDTH + NEW - 1)
    with pytest.raises(ConfigError, match="up to 8 tokens and --max-new-tokens 5 make 13 positions, the model has 12"):
        Sampler(model, GREEDY, width=WIDTH)


def test_the_algorithm_follows_the_kind_of_model() -> None:
    """Unless the user names one."""
    assert resolve_algorithm(SamplerConfig(), causal=False) == "entropy"
    assert resolve_algorithm(SamplerConfig(), causal=True) == "autoregressive"
    assert resolve_algorithm(SamplerConfig(algorithm="origin"), causal=False) == "origin"
    assert resolve_algorithm(SamplerConfig(threshold=0.9), causal=False) == "threshold"
    assert resolve_algorithm(SamplerConfig(threshold=0.9, algorithm="entropy"), causal=False) == "entropy_threshold"
    assert resolve_algorithm(SamplerConfig(factor=1.0), causal=False) == "factor"
    assert resolve_algorithm(SamplerConfig(entropy_bound=0.1), causal=False) == "entropy_bound"


@pytest.mark.parametrize(
    ("config", "causal", "message"),
    [
        (SamplerConfig(algorithm="autoregressive"), False, "--algorithm is autoregressive; .* a diffusion algorithm"),
        (SamplerConfig(algorithm="entropy"), True, "--algorithm is entropy; this model is causal"),
        (SamplerConfig(steps=8, max_new_tokens=16), True, "--steps is 8; a causal model takes one step a token"),
        (SamplerConfig(alg_temp=0.5), True, "--alg-temp is 0.5; a causal model does not choose positions"),
        (SamplerConfig(threshold=0.5), True, "--threshold is 0.5; a causal model does not choose positions"),
        (SamplerConfig(block_length=4), True, "--block-length is 4; a causal model does not choose positions"),
        (SamplerConfig(cache="dual"), True, "--cache is dual; a causal model uses `prefix`"),
    ],
)
def test_what_the_model_cannot_do_is_refused(config: SamplerConfig, message: str, *, causal: bool) -> None:
    """Each names the option, what it is and what to do."""
    with pytest.raises(ConfigError, match=message):
        resolve_algorithm(config, causal=causal)


def test_one_step_a_token_may_be_spelled_out_for_a_causal_model() -> None:
    """It is what happens anyway."""
    assert resolve_algorithm(SamplerConfig(steps=16, max_new_tokens=16), causal=True) == "autoregressive"


def test_half_done_batches_go_on_in_half_the_size(sure: ScriptedModel) -> None:
    """Twelve rows stop at once and four go on: the results are those of any batch, in their order."""
    requests = [request_of(6 if index % 4 == 0 else 3, problem=str(index)) for index in range(16)]
    config = dataclasses.replace(GREEDY, batch_size=16, cache="dual", algorithm="low_confidence")
    compiled = compilations()
    together = Sampler(sure, config, width=WIDTH).decode(requests).completions
    assert compilations() == compiled + 2
    assert [completion.stop_reason for completion in together] == ["length", *["stop_token"] * 3] * 4
    alone = [decode(sure, request, config=dataclasses.replace(config, batch_size=1))[0] for request in requests[:2]]
    assert together[:2] == alone


def test_a_sweep_compiles_once(sure: ScriptedModel) -> None:
    """Steps, threshold, temperature, top-p and top-k are traced."""
    compiled = compilations()
    for steps in (1, 2, 5):
        for threshold in (0.3, 0.9):
            for temperature, top_p, top_k in ((0.0, 1.0, 0), (0.5, 0.9, 0), (1.0, 1.0, 3)):
                config = dataclasses.replace(
                    GREEDY,
                    batch_size=3,
                    steps=steps,
                    threshold=threshold,
                    temperature=temperature,
                    top_p=top_p,
                    top_k=top_k,
                )
                decode(sure, request_of(2), config=config)
    assert compilations() == compiled + 1


def test_accounting_tells_forwards_by_kind(sure: ScriptedModel) -> None:
    """Two blocks of two: each is entered by a refresh that commits a token, and finished by a window."""
    config = SamplerConfig(max_new_tokens=4, batch_size=1, algorithm="low_confidence", block_length=2, cache="dual")
    (completion,) = decode(sure, request_of(6), config=config)
    assert completion.tokens == (6, 7, 8, 9)
    assert (completion.forwards, completion.refreshes, completion.window_forwards) == (2, 2, 2)
    assert completion.committed == 4
    assert completion.committed_at == (0, 1, 2, 3)


@pytest.mark.parametrize("caching", ["none", "dual"])
def test_what_stands_between_given_tokens_is_filled_in(sure: ScriptedModel, caching: str) -> None:
    """A prefix and a suffix: the whole gap, with what the model says at its positions, and no stop ends it."""
    config = SamplerConfig(max_new_tokens=3, batch_size=2, algorithm="low_confidence", block_length=2, cache=caching)
    sampler = Sampler(sure, config, width=WIDTH, suffix_width=4)
    requests = [
        Request(prompt=[1, 1, 1], suffix=[1, 1], problem="a", sample=0),
        Request(prompt=[1], suffix=[1, 1, 1], problem="b", sample=0),
    ]
    middle, early = sampler.decode(requests).completions
    assert middle.tokens == (3, STOP, 5)
    assert early.tokens == (1, 2, 3)
    assert middle.stop_reason == "length"


def test_masks_anywhere_in_a_prompt_are_filled_in(sure: ScriptedModel) -> None:
    """Holes of the prompt first, then the canvas until its stop token."""
    config = SamplerConfig(max_new_tokens=4, batch_size=1, algorithm="low_confidence")
    sampler = Sampler(sure, config, width=WIDTH, holes=2)
    (completion,) = sampler.decode([Request(prompt=[9, MASK, 9, MASK], problem="p", sample=0)]).completions
    assert completion.tokens == (1, 3)
    with pytest.raises(ConfigError, match="3 masked positions, at most 2"):
        sampler.decode([Request(prompt=[MASK] * 3, problem="p", sample=0)])


def test_holes_do_not_depend_on_the_batch(undecided: ScriptedModel) -> None:
    """Rows with holes in different blocks, decoded together and alone."""
    config = dataclasses.replace(GREEDY, batch_size=2, max_new_tokens=4, block_length=3, threshold=0.5, cache="dual")
    requests = [
        Request(prompt=[9, MASK, 9, 9, 9, MASK], problem="a", sample=0),
        Request(prompt=[9, 9], problem="b", sample=0),
    ]
    together = Sampler(undecided, config, width=WIDTH, holes=2).decode(requests).completions
    alone = Sampler(undecided, config, width=WIDTH, holes=2)
    assert [alone.decode([request]).completions[0] for request in requests] == together
