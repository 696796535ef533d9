"""Train, evaluate, compare: the loop that the gate is for, from end to end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from coda_eval.compare.gate import Gate, compare
from coda_eval.config import ExecutionConfig, RunConfig, SamplerConfig
from coda_eval.models.families import FAMILIES
from coda_eval.models.references import embedded_directory
from coda_eval.models.weights import load_decoder, save_decoder
from coda_eval.run.evaluate import evaluate
from coda_eval.training.batches import CANVAS_WIDTH, draw_batch
from coda_eval.training.masking import MaskingStrategy, draw_masking
from coda_eval.training.objective import diffusion_loss
from coda_eval.training.recipe import RECIPES
from coda_eval.training.vocabulary import build_tokenizer

RECIPE = RECIPES["coda-tiny"]
STEPS = 2


def train_further(directory: Path, *, learning_rate: float) -> Path:
    """A copy of `coda-tiny` after a few steps of gradient descent, in Hugging Face layout."""
    shutil.copytree(embedded_directory("coda-tiny"), directory)
    family, tokenizer = FAMILIES[RECIPE.model_type], build_tokenizer(0)
    decoder = load_decoder(directory, RECIPE.architecture, family, dtype="float32")
    graph, weights = nnx.split(decoder, nnx.Param)

    @jax.jit
    def step(weights: Any, tokens: Any, start: Any, key: Any) -> Any:
        masking = draw_masking(
            key, MaskingStrategy(least_level=0.15), start=start, end=start + CANVAS_WIDTH, length=tokens.shape[1]
        )

        def loss(weights: Any) -> Any:
            return diffusion_loss(nnx.merge(graph, weights), tokens, masking, mask_id=tokenizer.mask_token_id)

        gradients = jax.grad(loss)(weights)
        return jax.tree.map(lambda weight, gradient: weight - learning_rate * gradient, weights, gradients)

    for number in range(STEPS):
        batch = draw_batch(tokenizer, seed=1, step=number, size=4)
        weights = step(weights, jnp.asarray(batch.tokens), jnp.asarray(batch.start), jax.random.key(number))
    save_decoder(nnx.merge(graph, weights), family, directory, dtype=jnp.float32)
    return directory


def evaluate_checkpoint(model: str | Path, out: Path) -> Path:
    config = RunConfig(
        model=str(model),
        task="mini",
        limit=8,
        sampler=SamplerConfig(steps=32, batch_size=8),
        execution=ExecutionConfig(executor="local", workers=1, timeout_s=3.0),
    )
    evaluate(config, out, quiet=True)
    return out


@pytest.mark.slow
def test_a_training_that_goes_wrong_is_caught(tmp_path: Path) -> None:
    """Steps that are far too long ruin the model: the gate says so, and which problems broke."""
    baseline = evaluate_checkpoint("coda-tiny", tmp_path / "baseline")
    ruined = train_further(tmp_path / "checkpoint-2", learning_rate=10.0)
    report = compare(baseline, evaluate_checkpoint(ruined, tmp_path / "candidate"), gate=Gate(require_complete=True))
    assert [failure.kind for failure in report.failures] == ["worse"]
    (comparison,) = report.comparisons
    assert comparison.candidate.model == str(ruined)
    assert len(comparison.newly_failing) >= 6
    assert compare(baseline, baseline, gate=Gate(require_complete=True)).passed
