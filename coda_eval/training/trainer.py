"""The training loop: seeded, with a progress bar, resumable from its last state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from flax import nnx, serialization
from jaxtyping import Array, Float, Int, PRNGKeyArray
from transformers import PreTrainedTokenizerFast

from coda_eval.errors import StoreError
from coda_eval.models.decoder import Decoder
from coda_eval.training.batches import CANVAS_WIDTH, Batch, draw_batch
from coda_eval.training.masking import draw_masking
from coda_eval.training.objective import diffusion_loss, next_token_loss
from coda_eval.training.recipe import Phase, Recipe

SAVE_EVERY = 100
"""Steps between two states on disk: about a minute of the smaller models on two cores."""

OnStep = Callable[[int, float], None]
"""Called after each step with the number of steps done and the loss."""


class _TrainingState(NamedTuple):
    parameters: Any
    optimizer: Any


def train(
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerFast,
    *,
    state_file: Path,
    on_step: OnStep,
) -> Decoder:
    """Trains one model, from `state_file` where there is one. The file stays, so a second call is instant.

    Args:
        recipe: what to train, and for how long.
        tokenizer: that of the embedded models.
        state_file: where the state is kept.
        on_step: called after each step.

    Raises:
        StoreError: `state_file` is of another recipe.
    """
    decoder = Decoder(recipe.architecture, rngs=nnx.Rngs(recipe.seed))
    graph, weights = nnx.split(decoder, nnx.Param)
    optimizer = _optimizer(recipe)
    state = _TrainingState(nnx.to_pure_dict(weights), optimizer.init(nnx.to_pure_dict(weights)))
    state, step = _restore(state_file, recipe, state)

    def loss(parameters: Any, batch: Batch, key: PRNGKeyArray, phase: Phase) -> Float[Array, ""]:
        model_weights = nnx.clone(weights)
        nnx.replace_by_pure_dict(model_weights, parameters)
        return _loss(nnx.merge(graph, model_weights), batch, key, phase, mask_id=tokenizer.mask_token_id)

    @functools.partial(jax.jit, static_argnames="phase", donate_argnames="state")
    def update(
        state: _TrainingState, batch: Batch, step: Int[Array, ""], *, phase: Phase
    ) -> tuple[_TrainingState, Any]:
        key = jax.random.fold_in(jax.random.key(recipe.seed), step)
        value, gradients = jax.value_and_grad(loss)(state.parameters, batch, key, phase)
        updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.parameters)
        return _TrainingState(optax.apply_updates(state.parameters, updates), optimizer_state), value

    while step < recipe.steps:
        batch = draw_batch(tokenizer, seed=recipe.seed, step=step, size=recipe.batch_size)
        state, value = update(state, batch, jnp.asarray(step, jnp.int32), phase=recipe.phase_at(step))
        step += 1
        on_step(step, float(value))
        if step % SAVE_EVERY == 0 or step == recipe.steps:
            _save(state_file, recipe, state, step)
    nnx.replace_by_pure_dict(weights, state.parameters)
    return nnx.merge(graph, weights)


def _loss(decoder: Decoder, batch: Batch, key: PRNGKeyArray, phase: Phase, *, mask_id: int) -> Float[Array, ""]:
    tokens = jnp.asarray(batch.tokens)
    start, text_end = jnp.asarray(batch.start), jnp.asarray(batch.text_end)
    length = tokens.shape[1]
    if phase.on_completions:
        end = jnp.minimum(start + CANVAS_WIDTH, length)
    else:
        start, end = jnp.ones_like(start), text_end  # nothing predicts the first token
    if phase.masking is None:
        position = jnp.arange(length)[None, :]
        predicted = (position >= start[:, None]) & (position < text_end[:, None])
        return next_token_loss(decoder, tokens, predicted=predicted, attended=position < text_end[:, None])
    masking = draw_masking(key, phase.masking, start=start, end=end, length=length)
    return diffusion_loss(decoder, tokens, masking, mask_id=mask_id)


def _optimizer(recipe: Recipe) -> optax.GradientTransformation:
    """Muon for the matrices of the layers (twice as fast as AdamW here), Adam for embedding, head and norms."""

    def schedule(peak: float) -> optax.Schedule:
        return optax.sgdr_schedule(
            [
                {"init_value": 0.0, "peak_value": peak, "warmup_steps": recipe.warmup_steps, "decay_steps": steps}
                for steps in recipe.cycles
            ]
        )

    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.contrib.muon(
            schedule(recipe.learning_rate),
            adam_learning_rate=schedule(recipe.embedding_learning_rate),
            adam_b2=0.98,
            weight_decay=recipe.weight_decay,
            muon_weight_dimension_numbers=_matrices,
        ),
    )


_MATRIX_AXES: dict[str, tuple[Any, Any]] = {
    "q_nhd": (3, (1, 2)),
    "k_khd": (3, (1, 2)),
    "v_khd": (3, (1, 2)),
    "o_dnh": ((2, 3), 1),
} | dict.fromkeys(("gate_fd", "up_fd", "down_df"), (2, 1))
"""Input and output axes of each layer weight; axis 0 counts the layers."""


def _matrices(parameters: Any) -> Any:
    def axes(path: tuple[Any, ...], _: Any) -> optax.contrib.MuonDimensionNumbers | None:
        name = path[-1].key
        return optax.contrib.MuonDimensionNumbers(*_MATRIX_AXES[name]) if name in _MATRIX_AXES else None

    return jax.tree_util.tree_map_with_path(axes, parameters)


def _save(file: Path, recipe: Recipe, state: _TrainingState, step: int) -> None:
    content = serialization.msgpack_serialize(
        {"recipe": repr(recipe), "step": step, "state": serialization.to_state_dict(jax.device_get(state))}
    )
    partial = file.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(file)


def _restore(file: Path, recipe: Recipe, state: _TrainingState) -> tuple[_TrainingState, int]:
    if not file.exists():
        return state, 0
    content = serialization.msgpack_restore(file.read_bytes())
    if content["recipe"] != repr(recipe):
        raise StoreError(f"{file} is the state of another recipe; choose another --out or remove it to start again")
    return serialization.from_state_dict(state, content["state"]), int(content["step"])
