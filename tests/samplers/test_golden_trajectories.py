"""Every token after every step equals the reference sampler's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from coda_eval.models.checkpoint import CheckpointModel, load_checkpoint
from coda_eval.samplers.algorithms import ALGORITHMS
from coda_eval.samplers.canvas import build_canvas
from coda_eval.samplers.denoise import NOT_COMMITTED, Generation, Knobs, denoise
from coda_eval.samplers.schedule import transfer_ratios
from coda_eval.samplers.tokens import TokenKnobs
from tests.golden_data import Golden

pytestmark = pytest.mark.golden

CODA = Golden("coda-tiny")

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
    model: WithoutStops, prompts: np.ndarray[Any, Any], *, algorithm: str, steps: int, new: int, attend_padding: bool
) -> np.ndarray[Any, Any]:
    """The token ids after every step, [steps, batch, prompt + new]."""
    canvas = build_canvas(
        prompts.tolist(),
        width=prompts.shape[1],
        max_new_tokens=new,
        fill_id=model.fill_id,
        pad_id=model.pad_id,
        attend_padding=attend_padding,
    )
    knobs = Knobs(
        steps=jnp.asarray(steps, jnp.int32),
        ratios=jnp.asarray(transfer_ratios(steps)),
        tokens=TokenKnobs(jnp.asarray(0.0), jnp.asarray(1.0), jnp.asarray(REFERENCE_TOP_K, jnp.int32)),
        alg_temp=jnp.asarray(0.0),
    )
    keys = jax.random.split(jax.random.key(0), prompts.shape[0])
    generation = denoise(
        model, model.parameters, canvas, keys, knobs, algorithm=ALGORITHMS[algorithm], max_new_tokens=new
    )
    return trajectory(prompts, jax.device_get(generation), steps=steps, fill_id=model.fill_id)


def trajectory(
    prompts: np.ndarray[Any, Any], generation: Generation, *, steps: int, fill_id: int
) -> np.ndarray[Any, Any]:
    """What stood in the canvas after every step, from what was committed when."""
    committed = generation.committed_at
    after = [
        np.where((committed != NOT_COMMITTED) & (committed <= step), generation.tokens, fill_id)
        for step in range(steps)
    ]
    return np.stack([np.concatenate([prompts, canvas], axis=1) for canvas in after])


@pytest.mark.parametrize("run", CODA.description["runs"], ids=lambda run: run["key"])
def test_tokens_equal_the_reference_after_every_step(model: WithoutStops, run: dict[str, Any]) -> None:
    """A batch of prompts of one length."""
    tokens = decode(
        model,
        CODA.arrays["input_ids"],
        algorithm=run["alg"],
        steps=run["steps"],
        new=run["max_new_tokens"],
        attend_padding=False,
    )
    np.testing.assert_array_equal(tokens, CODA.arrays[run["key"]])


def test_left_padded_batch_equals_the_reference(model: WithoutStops) -> None:
    """The released evaluation attends to its padding and counts positions from the first pad."""
    prompts, expected = CODA.arrays["padded_input_ids"], CODA.arrays["padded_entropy_n24_s8"]
    tokens = decode(
        model,
        prompts,
        algorithm="entropy",
        steps=expected.shape[0],
        new=expected.shape[2] - prompts.shape[1],
        attend_padding=True,
    )
    np.testing.assert_array_equal(tokens, expected)
