"""Decoding in tests: batches through a sampler, trajectories, and the loop written out in plain Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from coda_eval.config import SamplerConfig
from coda_eval.samplers.denoise import NOT_COMMITTED, State
from coda_eval.samplers.sampler import Request, Sampler, row_keys
from coda_eval.samplers.schedule import transfer_ratios


class WithoutStops:
    """A model with no stop token, as the references decode: they run all their steps."""

    stop_ids: tuple[int, ...] = ()

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def decode_rows(model: Any, prompts: Sequence[Sequence[int]], config: SamplerConfig, *, width: int) -> State:
    """All that the loop leaves, on the host."""
    sampler = Sampler(model, dataclasses.replace(config, batch_size=len(prompts)), width=width)
    requests = [Request(prompt=prompt, problem="p", sample=row) for row, prompt in enumerate(prompts)]
    rows, _ = sampler._decode(sampler._canvas(requests), row_keys(config.seed, requests))
    return rows


def trajectory(rows: State, *, steps: int, fill_id: int) -> Any:
    """What stood in the rows after every step, [steps, batch, columns], from what was committed when."""
    committed = np.asarray(rows.committed_at)
    return np.stack(
        [np.where((committed != NOT_COMMITTED) & (committed <= step), rows.tokens, fill_id) for step in range(steps)]
    )


class NaiveDecoder:
    """One row at a time, one forward at a time, greedy, rules and statistics in NumPy over the whole vocabulary."""

    def __init__(self, model: Any) -> None:
        """Compiles the three forwards once for each length."""
        self.model = model
        self._full = jax.jit(model.prefill)
        self._window = jax.jit(model.window, static_argnames="width")

    def decode(self, prompt: Sequence[int], config: SamplerConfig, *, rule: str) -> tuple[Any, Any, int, int]:
        """Tokens and steps of the canvas, forwards over all columns, forwards over a window."""
        assert config.max_new_tokens is not None
        start, new = len(prompt), config.max_new_tokens
        length = config.block_length or new
        blocks = -(-new // length)
        total = blocks * length
        steps = total if config.steps is None else config.steps
        tokens = np.array([*prompt, *[self.model.fill_id] * total], np.int32)
        committed = np.full(len(tokens), NOT_COMMITTED)
        committed[:start] = -2
        step = full = windows = 0
        for block in range(blocks):
            here = np.arange(len(tokens))
            here = (here >= start + block * length) & (here < start + (block + 1) * length)
            mine = steps // blocks + (block < steps % blocks)
            ratios = transfer_ratios(max(mine, 1))[0]
            cache, since, inner = None, 0, 0
            while self._unfinished(tokens, committed, start + new) and (here & (committed == NOT_COMMITTED)).any():
                masked = here & (committed == NOT_COMMITTED)
                ratio = ratios[inner] if inner < mine - 1 else np.float32(1)
                left = max(mine - inner, 1)
                count = int(np.float32(masked.sum()) * ratio) if rule in _COUNTED else -(-int(masked.sum()) // left)
                if rule not in _COUNTED or count:
                    refresh = cache is None or (config.cache == "every-n" and since == config.refresh_every)
                    if config.cache in (None, "none") or refresh:
                        hidden, cache = self._full(self.model.parameters, *self._row(tokens))
                        full, since, first = full + 1, 0, 0
                    else:
                        first, width = self._reach(config, start + block * length, length, len(tokens))
                        hidden, cache = self._window(
                            self.model.parameters,
                            *self._row(tokens),
                            cache,
                            jnp.asarray([first]),
                            jnp.asarray([first]),
                            width=width,
                        )
                        windows, since = windows + 1, since + 1
                    at = np.flatnonzero(masked)
                    logits = np.asarray(self.model.logits(self.model.parameters, hidden[0][at - first]), np.float64)
                    proposed, accepted = _accept(logits, at, rule, count, config, self.model)
                    tokens[at[accepted]] = proposed[accepted]
                    committed[at[accepted]] = step
                step, inner = step + 1, inner + 1
        return tokens[start:], committed[start:], full, windows

    def _row(self, tokens: Any) -> Any:
        return jnp.asarray(tokens[None]), jnp.arange(len(tokens))[None], jnp.ones((1, len(tokens)), bool)

    def _unfinished(self, tokens: Any, committed: Any, end: int) -> bool:
        for token, at in list(zip(tokens, committed, strict=True))[:end]:
            if at == NOT_COMMITTED:
                return True
            if at >= 0 and token in self.model.stop_ids:
                return False
        return False

    def _reach(self, config: SamplerConfig, begin: int, length: int, columns: int) -> tuple[int, int]:
        match config.cache:
            case "prefix":
                return begin, columns - begin
            case "vicinity":
                first = max(begin - config.vicinity, 0)
                width = min(length + 2 * config.vicinity, columns)
                assert first + width <= columns, "the test chooses a vicinity that fits"
                return first, width
            case _:
                return begin, length


_COUNTED = ("maskgit_plus", "topk_margin", "entropy")


def _accept(logits: Any, at: Any, rule: str, count: int, config: SamplerConfig, model: Any) -> tuple[Any, Any]:
    """Proposed tokens, and which of them are accepted: all candidates stand in one block."""
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    proposed = np.where(model.emittable, logits, -np.inf).argmax(axis=1)
    top = np.take_along_axis(probabilities, proposed[:, None], axis=1)[:, 0]
    second, best = np.sort(probabilities, axis=1)[:, -2:].T
    negative_entropy = (probabilities * np.log(probabilities)).sum(axis=1)
    confidence = {
        "topk_margin": best - second,
        "margin_threshold": best - second,
        "entropy": negative_entropy,
        "entropy_threshold": negative_entropy,
        "entropy_bound": negative_entropy,
    }.get(rule, top)
    order = np.argsort(-confidence, kind="stable")
    accepted = np.zeros(len(at), bool)
    accepted[order[:count]] = True
    if rule in ("threshold", "margin_threshold", "hierarchy"):
        accepted |= confidence >= config.threshold
    if rule == "entropy_threshold":
        accepted |= -confidence <= config.threshold
    if rule == "factor":
        for n, place in enumerate(order, start=1):
            if (n + 1) * (1 - confidence[place]) >= config.factor:
                break
            accepted[place] = True
    if rule == "entropy_bound":
        spent = 0.0
        for place in order:
            if spent > config.entropy_bound:
                break
            accepted[place] = True
            spent += -confidence[place]
    if rule == "hierarchy":
        for run in np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) > 1) + 1):
            place = run[confidence[run].argmax()]
            accepted[place] |= confidence[place] > 0.4
    return proposed, accepted
