"""From a configuration to what the loop is handed: rule, confidence, blocks, cache."""

from __future__ import annotations

from dataclasses import dataclass

from coda_eval.config import SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.samplers.acceptance import AcceptanceRule
from coda_eval.samplers.blocks import BlockOrder, Grid, OneBlock, SeveralBlocks
from coda_eval.samplers.caching import Cache, NoCache, WindowCache
from coda_eval.samplers.confidence import CHANCE, MARGIN, NEGATIVE_ENTROPY, PROBABILITY, Confidence
from coda_eval.samplers.denoise import Quirks
from coda_eval.samplers.parallel import EntropyBound, Factor, Hierarchy, Threshold
from coda_eval.samplers.scheduled import IndependentTransfer, LeftToRight, MostConfident, quotas, transfer_counts


@dataclass(frozen=True)
class Algorithm:
    """Which positions are committed first, and how many of them."""

    rule: AcceptanceRule
    confidence: Confidence
    by_chance: bool = False
    """Draws at any temperature."""


ALGORITHMS: dict[str, Algorithm] = {
    "origin": Algorithm(IndependentTransfer(), PROBABILITY, by_chance=True),
    "maskgit_plus": Algorithm(MostConfident(transfer_counts), PROBABILITY),
    "topk_margin": Algorithm(MostConfident(transfer_counts), MARGIN),
    "entropy": Algorithm(MostConfident(transfer_counts), NEGATIVE_ENTROPY),
    "low_confidence": Algorithm(MostConfident(quotas), PROBABILITY),
    "random": Algorithm(MostConfident(quotas), CHANCE, by_chance=True),
    "threshold": Algorithm(Threshold(), PROBABILITY),
    "margin_threshold": Algorithm(Threshold(), MARGIN),
    "entropy_threshold": Algorithm(Threshold(entropy=True), NEGATIVE_ENTROPY),
    "factor": Algorithm(Factor(), PROBABILITY),
    "entropy_bound": Algorithm(EntropyBound(), NEGATIVE_ENTROPY),
    "hierarchy": Algorithm(Hierarchy(), PROBABILITY),
    "autoregressive": Algorithm(LeftToRight(), PROBABILITY),
}

QUIRKS: dict[str | None, Quirks] = {
    None: Quirks(),
    "coda": Quirks(),
    "fast-dllm-dream": Quirks(refresh_commits_first_only=True),
    "fast-dllm-llada": Quirks(window_after_refresh=True),
}


_PARALLEL = {
    ("threshold", "topk_margin"): "margin_threshold",
    ("threshold", "entropy"): "entropy_threshold",
    ("threshold", "hierarchy"): "hierarchy",
}
"""What an option makes of an algorithm; of the others, which go by probability, the option's own name."""


def resolve_algorithm(config: SamplerConfig, *, causal: bool) -> str:
    """The algorithm that a model is decoded with: a key of `ALGORITHMS`.

    Raises:
        ConfigError: the configuration asks for one that the model cannot do.
    """
    if causal:
        _require_left_to_right(config)
        return "autoregressive"
    if config.algorithm == "autoregressive":
        raise ConfigError(
            "--algorithm is autoregressive; this model is a diffusion model and needs a diffusion algorithm"
        )
    if config.parallel is not None:
        return _PARALLEL.get((config.parallel, config.algorithm or ""), config.parallel)
    return config.algorithm or "entropy"


def _require_left_to_right(config: SamplerConfig) -> None:
    if config.algorithm not in (None, "autoregressive"):
        raise ConfigError(f"--algorithm is {config.algorithm}; this model is causal and needs autoregressive")
    if config.steps not in (None, config.max_new_tokens):
        raise ConfigError(
            f"--steps is {config.steps}; a causal model takes one step a token, so leave it out (or `max`)"
        )
    choices = {
        "--alg-temp": config.alg_temp or None,
        "--block-length": config.block_length,
        "--threshold": config.threshold,
        "--factor": config.factor,
        "--entropy-bound": config.entropy_bound,
        "--join-at": config.join_at,
        "--reference": config.reference,
    }
    for option, value in choices.items():
        if value is not None:
            raise ConfigError(f"{option} is {value}; a causal model does not choose positions, so leave it out")
    if config.cache not in (None, "none", "prefix"):
        raise ConfigError(f"--cache is {config.cache}; a causal model uses `prefix` (exact) or `none`")


def order_of(config: SamplerConfig) -> BlockOrder:
    """One block after the other, unless blocks may join."""
    if config.join_at is None:
        return OneBlock()
    return SeveralBlocks(join_at=config.join_at, lead_at=config.lead_at)


def cache_of(config: SamplerConfig, *, causal: bool) -> Cache:
    """What a forward takes from earlier ones; for a causal model the keys and values of all tokens so far."""
    match config.cache or ("prefix" if causal else "none"):
        case "none":
            return NoCache()
        case "prefix" if causal:
            return WindowCache(refresh_blocks=False)
        case "prefix":
            return WindowCache(look_ahead=None)
        case "vicinity":
            return WindowCache(look_back=config.vicinity, look_ahead=config.vicinity)
        case _:  # dual, every-n
            return WindowCache()


def grid_of(config: SamplerConfig, *, causal: bool, width: int, suffix_width: int, holes: bool) -> Grid:
    """How a row is cut into blocks: the canvas, or the whole row where prompts have holes.

    The canvas is rounded up to whole blocks where nothing stands behind it.
    """
    assert config.max_new_tokens is not None
    length = 1 if causal else config.block_length
    if holes:
        whole = width + config.max_new_tokens + suffix_width
        length = min(length or whole, whole)
        before = -(-width // length) * length
        return Grid(first=width - before, length=length, count=-(-(before + whole - width) // length))
    length = min(length or config.max_new_tokens, config.max_new_tokens)
    return Grid(first=width, length=length, count=-(-config.max_new_tokens // length))
