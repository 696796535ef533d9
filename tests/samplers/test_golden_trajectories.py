"""Every token after every step equals the reference sampler's."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from golden_data import Golden
from samplers.decoding import knobs, trajectory

from coda_eval.models.checkpoint import CheckpointModel, load_checkpoint
from coda_eval.samplers.algorithms import ALGORITHMS
from coda_eval.samplers.canvas import build_canvas
from coda_eval.samplers.denoise import denoise

pytestmark = pytest.mark.golden

CODA = Golden("coda-tiny")
QWEN3 = Golden("qwen3-tiny")

REFERENCE_TOP_K = 50
"""`golden.json` names no top-k, but the reference's generation config inherits the default of transformers, 50: its
confidences are those of the 50 best tokens."""


class WithoutStops:
    """The model with no stop token: the reference runs all its steps, so the loop must too."""

    stop_ids: tuple[int, ...] = ()

    def __init__(self, model: CheckpointModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@pytest.fixture(scope="module")
def model() -> WithoutStops:
    """The tiny CoDA checkpoint."""
    return WithoutStops(load_checkpoint(CODA.directory))


def decode(
    model: WithoutStops,
    prompts: np.ndarray[Any, Any],
    *,
    algorithm: str,
    steps: int,
    new: int,
    attend_padding: bool = False,
    top_k: int = REFERENCE_TOP_K,
) -> Any:
    """The token ids after every step, [steps, batch, prompt + new]."""
    canvas = build_canvas(
        prompts.tolist(),
        width=prompts.shape[1],
        max_new_tokens=new,
        fill_id=model.fill_id,
        pad_id=model.pad_id,
        attend_padding=attend_padding,
    )
    keys = jax.random.split(jax.random.key(0), prompts.shape[0])
    generation = denoise(
        model,
        model.parameters,
        canvas,
        keys,
        knobs(steps, top_k=top_k),
        algorithm=ALGORITHMS[algorithm],
        max_new_tokens=new,
    )
    return trajectory(prompts, generation, steps=steps, fill_id=model.fill_id)


@pytest.mark.parametrize("run", CODA.description["runs"], ids=lambda run: run["key"])
def test_tokens_equal_the_reference_after_every_step(model: WithoutStops, run: dict[str, Any]) -> None:
    """A batch of prompts of one length."""
    tokens = decode(
        model, CODA.arrays["input_ids"], algorithm=run["alg"], steps=run["steps"], new=run["max_new_tokens"]
    )
    np.testing.assert_array_equal(tokens, CODA.arrays[run["key"]])


def test_left_padded_batch_equals_the_reference(model: WithoutStops) -> None:
    """The released evaluation attends to its padding and counts positions from the first pad."""
    prompts = CODA.arrays["padded_input_ids"]
    (key,) = (key for key in CODA.arrays if key.startswith("padded_entropy"))
    expected = CODA.arrays[key]
    tokens = decode(
        model,
        prompts,
        algorithm="entropy",
        steps=expected.shape[0],
        new=expected.shape[2] - prompts.shape[1],
        attend_padding=True,
    )
    np.testing.assert_array_equal(tokens, expected)


def test_greedy_autoregressive_tokens_equal_the_reference() -> None:
    """The same loop, committing from left to right, on a causal model."""
    prompts = QWEN3.arrays["input_ids"]
    (expected,) = (value for key, value in QWEN3.arrays.items() if key.startswith("greedy"))
    new = expected.shape[1] - prompts.shape[1]
    model = WithoutStops(load_checkpoint(QWEN3.directory))
    tokens = decode(model, prompts, algorithm="autoregressive", steps=new, new=new, top_k=0)
    np.testing.assert_array_equal(tokens[-1], expected)
