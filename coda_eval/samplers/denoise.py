"""The loop: proposes tokens for the whole canvas, commits some, until nothing is masked or the steps are used up.

It runs on the device (`lax.while_loop`); a token once committed never changes.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from coda_eval.samplers.acceptance import Offer
from coda_eval.samplers.algorithms import Algorithm
from coda_eval.samplers.canvas import Canvas
from coda_eval.samplers.language_model import LanguageModel
from coda_eval.samplers.tokens import TokenKnobs, propose

NOT_COMMITTED = -1


class Knobs(NamedTuple):
    """The numbers that a sweep varies: traced, so that it compiles once a shape."""

    steps: Int[Array, ""]
    ratios: Float[Array, " capacity"]
    """`transfer_ratios(steps)`."""
    tokens: TokenKnobs
    alg_temp: Float[Array, ""]


class Generation(NamedTuple):
    """What the loop leaves; together `tokens` and `committed_at` are the whole trajectory."""

    tokens: Int[Array, "B G"]
    """The canvas; the fill token where nothing was committed."""
    committed_at: Int[Array, "B G"]
    """The step at which each position was committed, or `NOT_COMMITTED`."""
    forwards: Int[Array, " B"]
    """Forwards over the full sequence until the row was done."""


class _Carry(NamedTuple):
    step: Int[Array, ""]
    tokens: Int[Array, "B L"]
    committed_at: Int[Array, "B G"]
    forwards: Int[Array, " B"]


@functools.partial(jax.jit, static_argnames=("model", "algorithm", "max_new_tokens"))
def denoise(
    model: LanguageModel,
    parameters: Any,
    canvas: Canvas,
    row_keys: Key[Array, " B"],
    knobs: Knobs,
    *,
    algorithm: Algorithm,
    max_new_tokens: int,
) -> Generation:
    """Decodes a batch.

    A row is done when no masked position stands before its first stop token: what is committed there is final, so the
    text is what all steps would have given. The loop ends when every row is done. The randomness of a row is decided by
    its key and the step, so that neither its batch nor skipped steps change it.

    Args:
        model: static; compared by identity.
        parameters: the model's weights.
        canvas: prompts and canvas.
        row_keys: one a row.
        knobs: what a sweep varies.
        algorithm: static.
        max_new_tokens: columns of the canvas, static.
    """

    def canvas_of(tokens: Int[Array, "B L"]) -> Int[Array, "B G"]:
        return tokens[:, -max_new_tokens:]

    def unfinished(carry: _Carry) -> Bool[Array, " B"]:
        masked = carry.committed_at == NOT_COMMITTED
        stops = jnp.isin(canvas_of(carry.tokens), jnp.asarray(model.stop_ids, jnp.int32)) & ~masked
        return jnp.any(masked & (jnp.cumsum(stops.astype(jnp.int32), axis=1) == 0), axis=1)

    def condition(carry: _Carry) -> Bool[Array, ""]:
        return (carry.step < knobs.steps) & jnp.any(unfinished(carry))

    def commit(carry: _Carry, ratio: Float[Array, ""]) -> _Carry:
        draw_keys, choice_keys = _step_keys(row_keys, carry.step)
        hidden = model.hidden(parameters, carry.tokens, jnp.asarray(canvas.positions), jnp.asarray(canvas.key_mask))
        logits = model.logits(parameters, hidden[:, -max_new_tokens:])
        proposal = propose(logits, knobs.tokens, draw_keys, emittable=jnp.asarray(model.emittable))
        masked = carry.committed_at == NOT_COMMITTED
        accepted = algorithm.rule.accept(
            Offer(algorithm.confidence(proposal), masked, ratio, knobs.alg_temp, choice_keys)
        )
        written = jnp.where(accepted, proposal.tokens, canvas_of(carry.tokens))
        return _Carry(
            step=carry.step,
            tokens=jnp.concatenate([carry.tokens[:, :-max_new_tokens], written], axis=1),
            committed_at=jnp.where(accepted, carry.step, carry.committed_at),
            forwards=carry.forwards + unfinished(carry).astype(jnp.int32),
        )

    def body(carry: _Carry) -> _Carry:
        ratio = knobs.ratios[carry.step]
        idle = algorithm.rule.idle(carry.committed_at == NOT_COMMITTED, ratio)
        carry = jax.lax.cond(idle, lambda carry: carry, lambda carry: commit(carry, ratio), carry)
        return carry._replace(step=carry.step + 1)

    rows = canvas.tokens.shape[0]
    final = jax.lax.while_loop(
        condition,
        body,
        _Carry(
            step=jnp.zeros((), jnp.int32),
            tokens=jnp.asarray(canvas.tokens),
            committed_at=jnp.full((rows, max_new_tokens), NOT_COMMITTED, jnp.int32),
            forwards=jnp.zeros((rows,), jnp.int32),
        ),
    )
    return Generation(canvas_of(final.tokens), final.committed_at, final.forwards)


def _step_keys(row_keys: Key[Array, " B"], step: Int[Array, ""]) -> tuple[Key[Array, " B"], Key[Array, " B"]]:
    """A key a row for the tokens, and another for the positions."""
    keys = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, step), 2))(row_keys)
    return keys[:, 0], keys[:, 1]
