"""Settings by name: what the references publish, and what this package recommends. Data, with the source of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coda_eval.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Some fields of `SamplerConfig`."""

    settings: Mapping[str, int | float | str | None]
    source: str
    """Where the settings are from."""


PRESETS: dict[str, Preset] = {
    "coda-paper": Preset(
        settings={
            "max_new_tokens": 768,
            "steps": 768,
            "algorithm": "entropy",
            "temperature": 0.1,
            "top_p": 0.9,
            "top_k": 50,
            "reference": "coda",
        },
        source="CoDA report, table 4: evaluation/lm_eval/eval_mbpp_humaneval.sh; top-k is transformers' default",
    ),
    "coda-fast": Preset(
        settings={
            "max_new_tokens": 768,
            "algorithm": "low_confidence",
            "block_length": 32,
            "threshold": 0.9,
            "cache": "dual",
        },
        source="this package: Fast-dLLM's threshold and dual cache with windows that begin one position early",
    ),
    "dream-instruct": Preset(
        settings={
            "max_new_tokens": 768,
            "steps": 768,
            "algorithm": "entropy",
            "temperature": 0.1,
            "top_p": 0.9,
            "top_k": 50,
        },
        source="Dream, eval_instruct/eval.sh (HumanEval); top-k is transformers' default",
    ),
    "diffucoder": Preset(
        settings={
            "max_new_tokens": 256,
            "steps": 256,
            "algorithm": "entropy",
            "temperature": 0.3,
            "top_p": 0.95,
            "top_k": 50,
        },
        source="ml-diffucoder, README (instruct, one token a step); top-k is transformers' default",
    ),
    "llada-instruct": Preset(
        settings={
            "max_new_tokens": 512,
            "steps": 512,
            "algorithm": "low_confidence",
            "block_length": 512,
            "end_of_text": "forbid",
        },
        source="LLaDA, EVAL.md (HumanEval: one block, logits_eos_inf)",
    ),
    "fast-dllm": Preset(
        settings={
            "max_new_tokens": 256,
            "algorithm": "low_confidence",
            "block_length": 32,
            "threshold": 0.9,
            "cache": "prefix",
        },
        source="Fast-dLLM v1, arXiv 2505.22618 (table 1: threshold 0.9, block 32, prefix cache)",
    ),
    "eb": Preset(
        settings={"max_new_tokens": 256, "algorithm": "entropy", "entropy_bound": 0.1},
        source="EB-Sampler, arXiv 2505.24857; the bound is that of google-deepmind/gemma's diffusion sampler",
    ),
    "multi-block": Preset(
        settings={
            "max_new_tokens": 256,
            "algorithm": "entropy",
            "block_length": 32,
            "threshold": 0.45,
            "join_at": 0.1,
            "lead_at": 0.95,
        },
        source="d3LLM, d3llm_dream_generate_util.py (block_add_threshold 0.1, decoded_token_threshold 0.95)",
    ),
    "ar": Preset(
        settings={"algorithm": "autoregressive", "cache": "prefix", "temperature": 0.0},
        source="this package: greedy with a KV cache, for causal models",
    ),
}


def preset_settings(name: str) -> dict[str, int | float | str | None]:
    """The fields of `SamplerConfig` that a preset sets.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"--preset is {name!r}; choose one of {', '.join(PRESETS)}")
    return dict(PRESETS[name].settings)
