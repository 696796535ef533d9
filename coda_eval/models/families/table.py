"""The table of families, keyed by the `model_type` of `config.json`."""

from __future__ import annotations

import dataclasses
import functools

from coda_eval.errors import CheckpointError
from coda_eval.models.families.family import Family
from coda_eval.models.families.fields import HuggingFaceConfig, read_field
from coda_eval.models.families.gemma3 import GEMMA3_DEFAULTS, GEMMA3_WEIGHTS, read_gemma3
from coda_eval.models.families.llada import LLADA_WEIGHTS, read_llada
from coda_eval.models.families.llama import LLAMA_WEIGHTS, read_llama

_QWEN_STOPS = ("<|endoftext|>", "<|im_end|>")
_GEMMA_STOPS = ("<eos>", "<end_of_turn>")

_GEMMA3_TEXT = Family(
    name="gemma3_text",
    diffusion=False,
    shifted_logits=True,
    read_config=read_gemma3,
    weights=GEMMA3_WEIGHTS,
    stop_tokens=_GEMMA_STOPS,
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="CoDA",
            diffusion=True,
            shifted_logits=True,
            read_config=functools.partial(read_llama, causal=False, qk_norm=True),
            weights=LLAMA_WEIGHTS,
            stop_tokens=_QWEN_STOPS,
            mask_token="<|mask|>",
        ),
        Family(
            name="Dream",  # DiffuCoder and Dream-Coder too
            diffusion=True,
            shifted_logits=True,
            read_config=functools.partial(read_llama, causal=False, qkv_bias=True, head_dim_from_width=True),
            weights=LLAMA_WEIGHTS,
            stop_tokens=(*_QWEN_STOPS, "<|dlm_pad|>"),
            mask_token="<|mask|>",
        ),
        Family(
            name="llada",
            diffusion=True,
            shifted_logits=False,
            read_config=read_llada,
            weights=LLADA_WEIGHTS,
            stop_tokens=("<|endoftext|>", "<|eot_id|>"),
            mask_token="<|mdm_mask|>",
        ),
        Family(
            name="qwen3",
            diffusion=False,
            shifted_logits=True,
            read_config=functools.partial(read_llama, causal=True, qk_norm=True),
            weights=LLAMA_WEIGHTS,
            stop_tokens=_QWEN_STOPS,
        ),
        Family(
            name="qwen2",
            diffusion=False,
            shifted_logits=True,
            read_config=functools.partial(read_llama, causal=True, qkv_bias=True, head_dim_from_width=True),
            weights=LLAMA_WEIGHTS,
            stop_tokens=_QWEN_STOPS,
        ),
        Family(
            name="llama",
            diffusion=False,
            shifted_logits=True,
            read_config=functools.partial(read_llama, causal=True, head_dim_from_width=True),
            weights=LLAMA_WEIGHTS,
            stop_tokens=("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
        ),
        _GEMMA3_TEXT,
        dataclasses.replace(
            _GEMMA3_TEXT,
            name="gemma3",  # with a vision tower beside it
            read_config=functools.partial(read_gemma3, defaults=GEMMA3_DEFAULTS),
            renamed=((r"language_model\.", ""), (r"model\.language_model\.", "model.")),
            unused=r"(model\.)?(vision_tower|multi_modal_projector)\..*",
        ),
    )
}


def family_of(config: HuggingFaceConfig) -> Family:
    """The family of a checkpoint.

    Raises:
        CheckpointError: `model_type` is missing or unknown; the message lists those that are supported.
    """
    model_type = read_field(config, "model_type")
    if model_type not in FAMILIES:
        raise CheckpointError(
            f"config.json has model_type = {model_type!r}, which is not supported; supported are {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]


def text_fields(config: HuggingFaceConfig) -> HuggingFaceConfig:
    """The fields of the language model, where `config.json` holds them beside those of other parts."""
    return {**config, **config.get("text_config", {}), "model_type": config.get("model_type")}
