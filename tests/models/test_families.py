"""From `config.json` to an architecture: what is read, and what is refused by name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from golden_data import Golden
from transformers import Gemma3TextConfig

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import DecoderConfig, LinearScaling, SlidingWindow
from coda_eval.models.families import FAMILIES, family_of, text_fields

CONFIG: dict[str, Any] = {
    "model_type": "qwen3",
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
}
TENSORS = ["model.embed_tokens.weight", "model.norm.weight"]


def read(tensors: list[str] = TENSORS, /, **fields: Any) -> DecoderConfig:
    """The architecture of `CONFIG` with some fields changed; None removes one."""
    config = {name: value for name, value in {**CONFIG, **fields}.items() if value is not None}
    return family_of(config).read_config(config, tensors)


def test_every_number_has_its_place() -> None:
    """The hub's names on the left, ours on the right."""
    assert read() == DecoderConfig(
        vocab_size=100,
        hidden_size=32,
        intermediate_size=48,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        head_dim=8,
        rms_norm_eps=1e-6,
        rope_theta=10_000.0,
        max_positions=128,
        causal=True,
        qk_norm=True,
        tied_head=True,
    )


def test_coda_attends_in_both_directions() -> None:
    """The same decoder otherwise."""
    assert not read(model_type="CoDA").causal


def test_an_unknown_model_type_lists_the_known_ones() -> None:
    """So that the user sees what is supported."""
    with pytest.raises(CheckpointError, match="'mamba', which is not supported; supported are") as caught:
        read(model_type="mamba")
    assert all(name in str(caught.value) for name in FAMILIES)


@pytest.mark.parametrize("field", sorted(CONFIG.keys() - {"tie_word_embeddings"}))
def test_a_missing_field_is_named(field: str) -> None:
    """No default is guessed: those of the configuration classes are not the checkpoint's."""
    with pytest.raises(CheckpointError, match=f"config.json has no '{field}'"):
        read(**{field: None})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden_act", "gelu"),
        ("attention_bias", True),
        ("use_sliding_window", True),
        ("rope_scaling", {"rope_type": "yarn", "factor": 4.0}),
    ],
)
@pytest.mark.parametrize("model_type", ["CoDA", "qwen3"])
def test_a_switch_that_the_decoder_lacks_is_refused(model_type: str, field: str, value: Any) -> None:
    """Never ignored: the message names the field and its value."""
    with pytest.raises(CheckpointError) as caught:
        read(model_type=model_type, **{field: value})
    assert f"{field} = {value!r}" in str(caught.value)


def test_a_switch_that_is_off_is_accepted() -> None:
    """The hub's files spell out what they do not use."""
    off = {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False}
    assert read(**off) == read()
    assert family_of(CONFIG).read_config({**CONFIG, "rope_scaling": None}, TENSORS) == read()


def test_rope_theta_is_read_in_its_newer_form() -> None:
    """`rope_parameters`, as transformers 5 writes it, instead of `rope_theta`."""
    parameters = {"rope_type": "default", "rope_theta": 5e5}
    assert read(rope_theta=None, rope_parameters=parameters).rope_theta == 5e5


def test_a_scaled_rope_is_refused_in_its_newer_form() -> None:
    """As `rope_scaling` is in the older one."""
    with pytest.raises(CheckpointError, match=r"rope_parameters = .*'yarn'.*; supported are the types"):
        read(rope_theta=None, rope_parameters={"rope_type": "yarn", "rope_theta": 5e5})


@pytest.mark.parametrize("claim", [True, False, None])
def test_a_head_in_the_file_is_used_whatever_the_config_claims(claim: bool | None) -> None:
    """CoDA's released config says tied by default, and its file holds a head of its own."""
    assert not read([*TENSORS, "lm_head.weight"], model_type="CoDA", tie_word_embeddings=claim).tied_head


@pytest.mark.parametrize(("claim", "tied"), [(True, True), (None, True), (False, False)])
def test_without_a_head_the_embedding_is_it_unless_the_config_denies_it(claim: bool | None, *, tied: bool) -> None:
    """A head that config.json says is separate is then reported as a missing tensor."""
    assert read(tie_word_embeddings=claim).tied_head is tied


def golden_config(name: str) -> dict[str, Any]:
    """`config.json` of a tiny checkpoint."""
    content: dict[str, Any] = json.loads((Golden(name).directory / "config.json").read_text())
    return content


def read_golden(name: str, /, **fields: Any) -> DecoderConfig:
    """Its architecture with some fields changed; `ABSENT` removes one."""
    config = {field: value for field, value in {**golden_config(name), **fields}.items() if value is not ABSENT}
    return family_of(config).read_config(config, [])


ABSENT = object()
UNSUPPORTED: dict[str, dict[str, Any]] = {
    "coda-tiny": {"hidden_act": "relu", "quantization_config": {"quant_method": "gptq"}, "attention_bias": True},
    "dream-tiny": {"hidden_act": "gelu", "use_sliding_window": True, "partial_rotary_factor": 0.5},
    "llada-tiny": {
        "activation_type": "swiglu",
        "block_type": "sequential",
        "layer_norm_type": "default",
        "alibi": True,
        "rope": False,
        "multi_query_attention": True,
        "attention_layer_norm": True,
        "include_bias": True,
        "include_qkv_bias": True,
        "scale_logits": True,
        "input_emb_norm": True,
        "clip_qkv": 8.0,
        "block_group_size": 2,
    },
    "qwen3-tiny": {"attention_bias": True, "layer_types": ["sliding_attention"] * 3},
    "qwen2-tiny": {"use_sliding_window": True},
    "llama-tiny": {"attention_bias": True, "mlp_bias": True},
    "gemma3-tiny": {
        "hidden_activation": "silu",
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        "use_bidirectional_attention": True,
        "layer_types": ["chunked_attention"] * 7,
    },
}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in UNSUPPORTED.items() for field in fields])
def test_every_family_refuses_what_the_decoder_lacks(name: str, field: str) -> None:
    """By the name of the field and its value."""
    value = UNSUPPORTED[name][field]
    with pytest.raises(CheckpointError, match=re.escape(f"{field} = {value!r}")):
        read_golden(name, **{field: value})


OLDER: dict[str, dict[str, Any]] = {
    "llama-tiny": {
        "rope_theta": 500000.0,
        "rope_scaling": {
            "type": "llama3",
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 64,
        },
    },
    "gemma3-tiny": {
        "rope_theta": 1e6,
        "rope_local_base_freq": 1e4,
        "rope_scaling": None,
        "layer_types": ABSENT,
        "sliding_window_pattern": 6,
        "_sliding_window_pattern": ABSENT,
    },
    "qwen2-tiny": {"rope_theta": 1e6, "layer_types": ABSENT},
}


@pytest.mark.parametrize("name", OLDER)
def test_the_older_form_of_a_config_says_the_same(name: str) -> None:
    """`rope_theta`, `rope_scaling` and `rope_local_base_freq`, which the released checkpoints still have."""
    assert read_golden(name, rope_parameters=ABSENT, **OLDER[name]) == read_golden(name)


def test_gemma_slides_but_for_every_sixth_layer() -> None:
    """And scales its queries by a number of its own."""
    config = read_golden("gemma3-tiny", query_pre_attn_scalar=64)
    assert config.sliding == SlidingWindow(size=8, layers=(*[True] * 5, False, True), rope_theta=1e4)
    assert config.query_scale == 64**-0.5


def test_linear_scaling_of_positions_is_read() -> None:
    """The larger Gemmas have it."""
    full = {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}
    parameters = {**golden_config("gemma3-tiny")["rope_parameters"], "full_attention": full}
    assert read_golden("gemma3-tiny", rope_parameters=parameters).rope_scaling == LinearScaling(factor=8.0)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("qwen2-tiny", "num_attention_heads", 5), ("llama-tiny", "num_key_value_heads", 3), ("llada-tiny", "n_heads", 5)],
)
def test_heads_that_do_not_fit_are_refused(name: str, field: str, value: int) -> None:
    """With both numbers."""
    with pytest.raises(CheckpointError, match=f"{field} = {value}.* does not divide it"):
        read_golden(name, **{field: value})


@pytest.mark.parametrize("value", ["64", 0, -3, 2.5, True])
def test_a_size_that_is_no_size_is_named(value: Any) -> None:
    """Instead of a traceback later."""
    with pytest.raises(CheckpointError, match=re.escape(f"hidden_size = {value!r}; a positive whole number")):
        read(hidden_size=value)


@pytest.mark.parametrize("prefix", ["language_model.model.", "model.language_model."])
def test_a_model_inside_a_larger_one_is_found(prefix: str) -> None:
    """Gemma 3 with a vision tower, in the names of transformers 4 and 5."""
    tensors = {f"{prefix}norm.weight": 1, "vision_tower.x": 2, "multi_modal_projector.y": 3, "lm_head.weight": 4}
    assert FAMILIES["gemma3"].canonical(tensors) == {"model.norm.weight": 1, "lm_head.weight": 4}
    config = {"model_type": "gemma3", "text_config": golden_config("gemma3-tiny"), "eos_token_id": [1, 106]}
    assert family_of(config).read_config(text_fields(config), []) == read_golden("gemma3-tiny")


def test_what_gemma_leaves_out_beside_a_vision_tower_is_what_transformers_takes_it_for() -> None:
    """As in the larger Gemmas' `text_config`; a text model alone must say everything."""
    said = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024}
    said |= {"rope_scaling": {"factor": 8.0, "rope_type": "linear"}}
    whole = Gemma3TextConfig(**said).to_dict()
    config = {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", **said}}
    read = family_of(config).read_config(text_fields(config), [])
    assert read == FAMILIES["gemma3_text"].read_config(whole, [])
    assert read.rope_scaling == LinearScaling(factor=8.0)
    with pytest.raises(CheckpointError, match="has no"):
        FAMILIES["gemma3_text"].read_config({"model_type": "gemma3_text", **said}, [])
