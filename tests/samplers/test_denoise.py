"""What the loop on the device guarantees, beside the golden trajectories."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_data import Golden
from samplers.decoding import knobs, naive_loop

from coda_eval.models.checkpoint import CheckpointModel, load_checkpoint
from coda_eval.samplers.algorithms import ALGORITHMS
from coda_eval.samplers.canvas import Canvas, build_canvas
from coda_eval.samplers.denoise import NOT_COMMITTED, Generation, Knobs, denoise
from coda_eval.testing import ScriptedModel

PROMPTS = ([5, 9, 12], [7, 7, 30, 41, 3], [88])
NEW = 12


@pytest.fixture(scope="module")
def model() -> CheckpointModel:
    """A tiny model with random weights, so that confidences are distinct."""
    return load_checkpoint(Golden("coda-tiny").directory)


def canvas_for(model: Any, prompts: Any = PROMPTS, *, width: int = 5, new: int = NEW) -> Canvas:
    """The prompts, padded."""
    return build_canvas(prompts, width=width, max_new_tokens=new, fill_id=model.fill_id, pad_id=model.pad_id)


def keys_for(count: int) -> jax.Array:
    """A key a row."""
    return jax.random.split(jax.random.key(7), count)


def run(model: Any, canvas: Canvas, keys: jax.Array, how: Knobs, *, algorithm: str, new: int = NEW) -> Generation:
    """The loop, its result on the host."""
    return jax.device_get(
        denoise(model, model.parameters, canvas, keys, how, algorithm=ALGORITHMS[algorithm], max_new_tokens=new)
    )


@pytest.mark.parametrize("algorithm", ["origin", "maskgit_plus", "topk_margin", "entropy"])
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(knobs(NEW), id="greedy"),
        pytest.param(knobs(5, temperature=0.7, top_p=0.9), id="top-p"),
        pytest.param(knobs(20, temperature=1.3, top_k=9), id="top-k, more steps than tokens"),
        pytest.param(knobs(6, temperature=0.4, alg_temp=0.5), id="alg-temp"),
    ],
)
def test_equals_a_plain_python_loop(model: CheckpointModel, algorithm: str, how: Knobs) -> None:
    """Skipped steps and early ends change nothing before a row's first stop token."""
    canvas, keys = canvas_for(model), keys_for(len(PROMPTS))
    generation = run(model, canvas, keys, how, algorithm=algorithm)
    tokens, committed_at = naive_loop(model, canvas, keys, how, algorithm=algorithm, new=NEW)
    for row in range(len(PROMPTS)):
        stops = np.isin(tokens[row], model.stop_ids) & (committed_at[row] != NOT_COMMITTED)
        end = int(np.argmax(stops)) + 1 if stops.any() else NEW
        np.testing.assert_array_equal(generation.tokens[row, :end], tokens[row, :end])
        np.testing.assert_array_equal(generation.committed_at[row, :end], committed_at[row, :end])


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_row_does_not_depend_on_its_batch(model: CheckpointModel, temperature: float) -> None:
    """Alone, among others and in another order, a prompt gets the same completion."""
    how, keys = knobs(NEW, temperature=temperature), keys_for(len(PROMPTS))
    together = run(model, canvas_for(model), keys, how, algorithm="entropy")
    backwards = run(model, canvas_for(model, PROMPTS[::-1]), keys[::-1], how, algorithm="entropy")
    np.testing.assert_array_equal(together.tokens, backwards.tokens[::-1])
    for row, prompt in enumerate(PROMPTS):
        alone = run(model, canvas_for(model, [prompt]), keys[row : row + 1], how, algorithm="entropy")
        np.testing.assert_array_equal(alone.tokens[0], together.tokens[row])
        np.testing.assert_array_equal(alone.forwards[0], together.forwards[row])


def test_padding_is_invisible(model: CheckpointModel) -> None:
    """More padding before a prompt changes nothing."""
    how, keys = knobs(NEW), keys_for(1)
    narrow = run(model, canvas_for(model, [PROMPTS[1]], width=5), keys, how, algorithm="entropy")
    wide = run(model, canvas_for(model, [PROMPTS[1]], width=9), keys, how, algorithm="entropy")
    np.testing.assert_array_equal(narrow.tokens, wide.tokens)


def test_a_sweep_compiles_once(model: CheckpointModel) -> None:
    """Steps, temperature, top-p, top-k and alg-temp are traced."""
    canvas, keys = canvas_for(model, width=7), keys_for(len(PROMPTS))
    compiled = denoise._cache_size()
    for steps in (2, 5, 12):
        for temperature, top_p, top_k, alg_temp in ((0.0, 1.0, 0, 0.0), (0.5, 0.9, 0, 0.0), (1.0, 1.0, 20, 0.3)):
            how = knobs(steps, temperature=temperature, top_p=top_p, top_k=top_k, alg_temp=alg_temp)
            run(model, canvas, keys, how, algorithm="maskgit_plus")
    assert denoise._cache_size() == compiled + 1


@pytest.mark.parametrize("temperature", [0.0, 5.0])
def test_only_emittable_tokens_are_written(temperature: float) -> None:
    """Neither the mask token nor an id that the tokenizer lacks, however sure the model is of it."""
    mask, beyond = 6, 7
    model = ScriptedModel([mask, beyond, mask, beyond], [9.0] * 4, vocabulary=8, fill_id=mask, emittable=range(6))
    canvas = canvas_for(model, [[1]] * 64, width=1, new=3)
    how = knobs(3, temperature=temperature)
    generation = run(model, canvas, keys_for(64), how, algorithm="maskgit_plus", new=3)
    assert generation.tokens.max() < 6


def test_ends_when_no_mask_stands_before_the_first_stop_token() -> None:
    """The sure stop token at position 3 is committed first, then what stands before it; the rest is left masked."""
    stop, mask = 4, 5
    script = [0, 1, 2, 3, stop, 1, 2, 3, 1]
    sureness = [0.0, 5.0, 4.0, 3.0, 9.0, 2.0, 1.9, 1.8, 1.7]
    model = ScriptedModel(script, sureness, vocabulary=6, fill_id=mask, stop_ids=(stop,))
    generation = run(
        model, canvas_for(model, [[0]], width=1, new=8), keys_for(1), knobs(8), algorithm="maskgit_plus", new=8
    )
    assert generation.tokens[0].tolist() == [1, 2, 3, stop, mask, mask, mask, mask]
    assert generation.forwards[0] == 4


def test_steps_that_commit_nothing_run_no_forward() -> None:
    """With more steps than tokens most counts are truncated to zero; each token still takes one forward."""
    model = ScriptedModel([1] * 5, [5.0, 4.0, 3.0, 2.0, 1.0], vocabulary=4, fill_id=3)
    generation = run(
        model, canvas_for(model, [[0]], width=1, new=4), keys_for(1), knobs(64), algorithm="entropy", new=4
    )
    assert generation.forwards[0] <= 4
    assert (generation.committed_at != NOT_COMMITTED).all()


def test_equal_confidences_are_committed_from_the_left() -> None:
    """Ties are broken by position, so that results do not depend on a sort's whims."""
    model = ScriptedModel([1] * 7, [3.0] * 7, vocabulary=4, fill_id=3)
    generation = run(
        model, canvas_for(model, [[0]], width=1, new=6), keys_for(1), knobs(6), algorithm="maskgit_plus", new=6
    )
    assert (np.diff(generation.committed_at[0]) >= 0).all()


def test_alg_temp_draws_positions_in_proportion(model: CheckpointModel) -> None:
    """With two masked positions the surer one goes first with probability softmax(confidence / alg_temp)."""
    model = ScriptedModel([1, 1, 1], [0.0, 3.0, 1.0], vocabulary=4, fill_id=3)
    rows, alg_temp = 4096, 0.5
    generation = run(
        model,
        canvas_for(model, [[0]] * rows, width=1, new=2),
        keys_for(rows),
        knobs(2, alg_temp=alg_temp),
        algorithm="maskgit_plus",
        new=2,
    )
    first = (generation.committed_at[:, 0] < generation.committed_at[:, 1]).mean()
    tied = generation.committed_at[:, 0] == generation.committed_at[:, 1]
    confidences = jnp.exp(jnp.asarray([3.0, 1.0])) / (jnp.exp(jnp.asarray([3.0, 1.0])) + 3.0)
    expected = jax.nn.softmax(confidences / alg_temp)[0]
    assert not tied.any() or tied.all()
    if not tied.all():
        assert abs(first - float(expected)) < 0.04
