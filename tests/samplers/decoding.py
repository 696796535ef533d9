"""Decoding in tests: batches through a sampler, trajectories, and the loop written out in plain Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from coda_eval.config import SamplerConfig
from coda_eval.samplers.acceptance import AcceptanceKnobs, AcceptanceRule, Offer, Pace
from coda_eval.samplers.denoise import GIVEN, NOT_COMMITTED, State
from coda_eval.samplers.sampler import Request, Sampler, row_keys
from coda_eval.samplers.schedule import transfer_ratios


class WithoutStops:
    """A model with no stop token, as the references decode: they run all their steps."""

    stop_ids: tuple[int, ...] = ()

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def decode_rows(
    model: Any,
    prompts: Sequence[Sequence[int]],
    config: SamplerConfig,
    *,
    width: int,
    suffixes: Sequence[Sequence[int]] = (),
    suffix_width: int = 0,
) -> State:
    """All that the loop leaves, on the host."""
    config = dataclasses.replace(config, batch_size=len(prompts))
    return _final(Sampler(model, config, width=width, suffix_width=suffix_width), prompts, suffixes)


def decode_by_rules(
    model: Any, prompts: Sequence[Sequence[int]], configs: Sequence[SamplerConfig], *, width: int
) -> list[State]:
    """Each prompt by each configuration, of which only the rule and its numbers differ: one loop, compiled once.

    The configurations look at the same confidence and have the same steps. One state a configuration.
    """
    samplers = [
        Sampler(model, dataclasses.replace(config, batch_size=len(configs) * len(prompts)), width=width)
        for config in configs
    ]
    (sampler, *others) = samplers
    for other in others:
        assert dataclasses.replace(other._plan, rule=sampler._plan.rule) == sampler._plan
    knobs = [other._knobs.acceptance for other in samplers]
    sampler._plan = dataclasses.replace(
        sampler._plan, rule=EachItsOwn(tuple(other._plan.rule for other in samplers), len(prompts))
    )
    given = AcceptanceKnobs(
        alg_temp=knobs[0].alg_temp,
        threshold=jnp.min(jnp.stack([each.threshold for each in knobs])),
        factor=jnp.max(jnp.stack([each.factor for each in knobs])),
        entropy_bound=jnp.max(jnp.stack([each.entropy_bound for each in knobs])),
    )
    sampler._knobs = sampler._knobs._replace(acceptance=given)
    rows = _final(sampler, [*prompts] * len(configs), ())
    count = len(prompts)
    return [jax.tree.map(lambda leaf, at=at: leaf[at : at + count], rows) for at in range(0, len(rows.step), count)]


def _final(sampler: Sampler, prompts: Sequence[Sequence[int]], suffixes: Sequence[Sequence[int]]) -> State:
    requests = [
        Request(prompt=prompt, suffix=suffix, problem="p", sample=row)
        for row, (prompt, suffix) in enumerate(zip(prompts, suffixes or [()] * len(prompts), strict=True))
    ]
    rows, _ = sampler._decode(sampler._canvas(requests), row_keys(sampler._config.seed, requests))
    return rows


@dataclass(frozen=True)
class EachItsOwn:
    """A rule for each so many rows."""

    rules: tuple[AcceptanceRule, ...]
    rows: int

    def idle(self, pace: Pace) -> Array:
        """As the row's own."""
        return self._own([rule.idle(pace) for rule in self.rules])

    def accept(self, offer: Offer) -> Array:
        """As the row's own."""
        return self._own([rule.accept(offer) for rule in self.rules])

    def _own(self, answers: list[Array]) -> Array:
        each = [answer[at * self.rows : (at + 1) * self.rows] for at, answer in enumerate(answers)]
        return jnp.concatenate(each)


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

    def decode(
        self, prompt: Sequence[int], config: SamplerConfig, *, rule: str, suffix: Sequence[int] = ()
    ) -> tuple[Any, Any, int, int]:
        """Tokens and steps of the canvas, forwards over all columns, forwards over a window.

        Before a suffix the canvas is whole blocks, and no stop token ends it.
        """
        assert config.max_new_tokens is not None
        start, new = len(prompt), config.max_new_tokens
        length = config.block_length or new
        blocks = -(-new // length)
        total = blocks * length
        steps = total if config.steps is None else config.steps
        assert not suffix or total == new
        tokens = np.array([*prompt, *[self.model.fill_id] * total, *suffix], np.int32)
        committed = np.full(len(tokens), GIVEN)
        committed[start : start + total] = NOT_COMMITTED
        stop_ids = () if suffix else self.model.stop_ids
        step = full = windows = 0
        for block in range(blocks):
            here = np.arange(len(tokens))
            here = (here >= start + block * length) & (here < start + (block + 1) * length)
            mine = steps // blocks + (block < steps % blocks)
            ratios = transfer_ratios(max(mine, 1))[0]
            cache, since, inner = None, 0, 0
            while (
                self._unfinished(tokens, committed, start + new, stop_ids)
                and (here & (committed == NOT_COMMITTED)).any()
            ):
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
                        write_from, width = self._reach(config, start + block * length, length, len(tokens))
                        first = min(write_from, len(tokens) - width)
                        hidden, cache = self._window(
                            self.model.parameters,
                            *self._row(tokens),
                            cache,
                            jnp.asarray([first]),
                            jnp.asarray([write_from]),
                            width=width,
                        )
                        windows, since = windows + 1, since + 1
                    at = np.flatnonzero(masked)
                    logits = np.asarray(self.model.logits(self.model.parameters, hidden[0][at - first]), np.float64)
                    proposed, accepted = _accept(logits, at, rule, count, config, self.model)
                    tokens[at[accepted]] = proposed[accepted]
                    committed[at[accepted]] = step
                step, inner = step + 1, inner + 1
        return tokens[start : start + total], committed[start : start + total], full, windows

    def _row(self, tokens: Any) -> Any:
        return jnp.asarray(tokens[None]), jnp.arange(len(tokens))[None], jnp.ones((1, len(tokens)), bool)

    def _unfinished(self, tokens: Any, committed: Any, end: int, stop_ids: Sequence[int]) -> bool:
        for token, at in list(zip(tokens, committed, strict=True))[:end]:
            if at == NOT_COMMITTED:
                return True
            if at >= 0 and token in stop_ids:
                return False
        return False

    def _reach(self, config: SamplerConfig, begin: int, length: int, columns: int) -> tuple[int, int]:
        match config.cache:
            case "prefix":
                return begin, columns - begin
            case "vicinity":
                write_from = max(begin - config.vicinity, 0)
                return write_from, min(begin + length + config.vicinity - write_from, columns)
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
