"""From `config.json` to an architecture: what is read, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.families import FAMILIES, family_of

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
    with pytest.raises(CheckpointError, match="rope_parameters of type 'yarn'"):
        read(rope_theta=None, rope_parameters={"rope_type": "yarn", "rope_theta": 5e5})


@pytest.mark.parametrize("claim", [True, False, None])
def test_a_head_in_the_file_is_used_whatever_the_config_claims(claim: bool | None) -> None:
    """CoDA's released config says tied by default, and its file holds a head of its own."""
    assert not read([*TENSORS, "lm_head.weight"], model_type="CoDA", tie_word_embeddings=claim).tied_head


@pytest.mark.parametrize(("claim", "tied"), [(True, True), (None, True), (False, False)])
def test_without_a_head_the_embedding_is_it_unless_the_config_denies_it(claim: bool | None, *, tied: bool) -> None:
    """A head that config.json says is separate is then reported as a missing tensor."""
    assert read(tie_word_embeddings=claim).tied_head is tied
