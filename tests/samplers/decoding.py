"""Decoding in tests: knobs from plain numbers, and the loop written out in Python."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from coda_eval.samplers.acceptance import Offer
from coda_eval.samplers.algorithms import ALGORITHMS
from coda_eval.samplers.canvas import Canvas
from coda_eval.samplers.denoise import NOT_COMMITTED, Generation, Knobs
from coda_eval.samplers.schedule import transfer_ratios
from coda_eval.samplers.tokens import TokenKnobs, propose


def knobs(steps: int, *, temperature: float = 0.0, top_p: float = 1.0, top_k: int = 0, alg_temp: float = 0.0) -> Knobs:
    """The traced numbers of a run."""
    return Knobs(
        steps=jnp.asarray(steps, jnp.int32),
        ratios=jnp.asarray(transfer_ratios(steps)),
        tokens=TokenKnobs(
            jnp.asarray(temperature, jnp.float32), jnp.asarray(top_p, jnp.float32), jnp.asarray(top_k, jnp.int32)
        ),
        alg_temp=jnp.asarray(alg_temp, jnp.float32),
    )


def trajectory(prompts: np.ndarray[Any, Any], generation: Generation, *, steps: int, fill_id: int) -> Any:
    """What stood in the rows after every step, [steps, batch, prompt + new], from what was committed when."""
    committed = np.asarray(generation.committed_at)
    after = [
        np.where((committed != NOT_COMMITTED) & (committed <= step), np.asarray(generation.tokens), fill_id)
        for step in range(steps)
    ]
    return np.stack([np.concatenate([prompts, canvas], axis=1) for canvas in after])


def naive_loop(model: Any, canvas: Canvas, keys: jax.Array, knobs: Knobs, *, algorithm: str, new: int) -> Any:
    """Every step, every row, nothing skipped: (tokens [B, new], step at which each was committed)."""
    chosen = ALGORITHMS[algorithm]

    @jax.jit  # one step; the loop around it stays a plain one
    def propose_and_accept(tokens: Any, masked: Any, draw_keys: Any, choice_keys: Any, ratio: Any) -> Any:
        hidden = model.hidden(model.parameters, tokens, jnp.asarray(canvas.positions), jnp.asarray(canvas.key_mask))
        logits = model.logits(model.parameters, hidden[:, -new:])
        proposal = propose(logits, knobs.tokens, draw_keys, emittable=jnp.asarray(model.emittable))
        offer = Offer(chosen.confidence(proposal), masked, ratio, knobs.alg_temp, choice_keys)
        return proposal.tokens, chosen.rule.accept(offer)

    tokens = np.array(canvas.tokens)
    committed_at = np.full((tokens.shape[0], new), NOT_COMMITTED)
    for step in range(int(knobs.steps)):
        pairs = [jax.random.split(jax.random.fold_in(key, step), 2) for key in keys]
        draw_keys, choice_keys = (jnp.stack([pair[half] for pair in pairs]) for half in (0, 1))
        proposed, accepted = propose_and_accept(
            tokens, committed_at == NOT_COMMITTED, draw_keys, choice_keys, knobs.ratios[step]
        )
        tokens[:, -new:] = np.where(accepted, proposed, tokens[:, -new:])
        committed_at = np.where(accepted, step, committed_at)
    return tokens[:, -new:], committed_at
