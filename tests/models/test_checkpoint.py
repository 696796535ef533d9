"""A checkpoint directory as a language model: its special tokens, what it may emit, how its outputs are aligned."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from models.checkpoint_files import WEIGHTS, change_config, read_tensors, write_tensors

from coda_eval.errors import CheckpointError
from coda_eval.models.checkpoint import checkpoint_sha256, load_checkpoint

VOCABULARY, MASK, PAD, END = 384, 380, 381, 382
"""Of both tiny checkpoints."""
GENERATION = "generation_config.json"


@dataclass(frozen=True)
class Words:
    """A tokenizer as far as a checkpoint asks it."""

    size: int = VOCABULARY
    stop_ids: tuple[int, ...] = ()
    mask_id: int | None = None
    tokens: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.size

    def token_id(self, token: str) -> int | None:
        return self.tokens.get(token)


def test_stop_tokens_come_from_three_places(coda: Path) -> None:
    """config.json, generation_config.json and the tokenizer; each once."""
    change_config(coda, GENERATION, eos_token_id=[7, END])
    assert load_checkpoint(coda, tokenizer=Words(stop_ids=(9, 7))).stop_ids == (7, 9, END)


def test_a_model_without_a_stop_token_is_refused(coda: Path) -> None:
    """Its completions would have no end."""
    change_config(coda, eos_token_id=None)
    with pytest.raises(CheckpointError, match="names an end-of-text token"):
        load_checkpoint(coda)


@pytest.mark.parametrize("token", [-1, VOCABULARY])
@pytest.mark.parametrize("field", ["mask_token_id", "pad_token_id", "eos_token_id"])
def test_a_token_outside_the_vocabulary_is_named(coda: Path, field: str, token: int) -> None:
    """The field, its value and the size of the vocabulary."""
    change_config(coda, **{field: token})
    with pytest.raises(CheckpointError, match=f"{field} is {token}, outside the vocabulary of {VOCABULARY}"):
        load_checkpoint(coda)


def test_a_diffusion_model_needs_a_mask_token(coda: Path) -> None:
    """Without one there is nothing to denoise."""
    change_config(coda, mask_token_id=None)
    with pytest.raises(CheckpointError, match=r"config\.json has no 'mask_token_id'"):
        load_checkpoint(coda)


def test_without_a_pad_token_the_first_stop_token_pads(coda: Path) -> None:
    """Padding is invisible, so any token does."""
    change_config(coda, pad_token_id=None)
    assert load_checkpoint(coda, tokenizer=Words(stop_ids=(9,))).pad_id == 9


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(coda: Path) -> None:
    """The message has both sizes."""
    with pytest.raises(CheckpointError, match=f"the tokenizer has {VOCABULARY + 1} ids, .* vocabulary of {VOCABULARY}"):
        load_checkpoint(coda, tokenizer=Words(VOCABULARY + 1))


def test_neither_the_mask_nor_an_id_above_the_tokenizer_may_be_emitted(coda: Path) -> None:
    """Vocabularies are padded to round sizes; the ids of the padding decode to nothing."""
    model = load_checkpoint(coda, tokenizer=Words(END + 1))
    assert np.flatnonzero(~model.emittable).tolist() == [MASK, END + 1]


def test_an_autoregressive_model_may_emit_what_stands_in_its_canvas(qwen3: Path) -> None:
    """Its canvas is filled with padding, which may be its end-of-text token."""
    change_config(qwen3, pad_token_id=END)
    model = load_checkpoint(qwen3)
    assert model.fill_id == END
    assert model.emittable.all()


def test_the_recommended_length_is_read(coda: Path) -> None:
    """None where there is no generation_config.json."""
    assert load_checkpoint(coda).max_new_tokens is None
    change_config(coda, GENERATION, max_new_tokens=48)
    assert load_checkpoint(coda).max_new_tokens == 48


def test_a_missing_config_is_named(coda: Path) -> None:
    """Weights alone say too little."""
    (coda / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json is missing; a model directory has one"):
        load_checkpoint(coda)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read as JSON"), ("[]", "holds a list; a JSON object was expected")],
)
@pytest.mark.parametrize("file", ["config.json", GENERATION])
def test_a_damaged_json_file_is_named(coda: Path, file: str, content: str, message: str) -> None:
    """Also the one that need not be there."""
    (coda / file).write_text(content)
    with pytest.raises(CheckpointError, match=f"{file} {message}"):
        load_checkpoint(coda)


def test_a_head_that_the_config_promises_is_missed(qwen3: Path) -> None:
    """Rather than replaced by the embedding."""
    change_config(qwen3, tie_word_embeddings=False)
    with pytest.raises(CheckpointError, match=r"'lm_head.weight' of shape \(384, 64\) is missing"):
        load_checkpoint(qwen3)


def raw_logits(model: Any, tokens: Any, positions: Any, seen: Any) -> Any:
    """What the decoder says before anything is aligned."""

    @jax.jit
    def compute(parameters: Any) -> Any:
        decoder = nnx.merge(model._graph, parameters)
        return decoder.head(decoder(tokens, positions, seen))

    return compute(model.parameters)


@pytest.mark.parametrize("checkpoint", ["coda", "qwen3"])
def test_hidden_row_p_predicts_position_p(checkpoint: str, request: pytest.FixtureRequest) -> None:
    """Both families are shifted: the raw row before it does, and row 0 twice since nothing predicts position 0."""
    model = load_checkpoint(request.getfixturevalue(checkpoint))
    inputs = jnp.asarray([[5, 9, 12, 7]]), jnp.arange(4)[None, :], jnp.ones((1, 4), bool)
    aligned = jax.jit(lambda parameters: model.logits(parameters, model.hidden(parameters, *inputs)))(model.parameters)
    raw = raw_logits(model, *inputs)
    np.testing.assert_allclose(aligned[:, 1:], raw[:, :-1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(aligned[:, 0], raw[:, 0], rtol=0, atol=1e-5)


def test_logits_are_float32_whatever_the_weights_are(coda: Path) -> None:
    """Confidences are compared: bfloat16 would tie most of them."""
    model = load_checkpoint(coda, dtype="bfloat16")
    inputs = jnp.asarray([[5, 9]]), jnp.arange(2)[None, :], jnp.ones((1, 2), bool)
    hidden = jax.eval_shape(model.hidden, model.parameters, *inputs)
    assert hidden.dtype == jnp.bfloat16
    assert jax.eval_shape(model.logits, model.parameters, hidden).dtype == jnp.float32


def test_the_hash_covers_the_config_and_the_weights(coda: Path) -> None:
    """Two checkpoints with one hash give the same logits."""
    hashes = [checkpoint_sha256(coda)]
    change_config(coda, rope_theta=5e5)
    hashes.append(checkpoint_sha256(coda))
    tensors = read_tensors(coda)
    write_tensors(coda, {**tensors, "model.norm.weight": tensors["model.norm.weight"] + 1}, file=WEIGHTS)
    hashes.append(checkpoint_sha256(coda))
    assert len(set(hashes)) == 3


def test_the_tokens_of_the_family_end_a_text_where_the_tokenizer_has_them(coda: Path) -> None:
    """An instruct model ends its turn with another token than its text."""
    assert load_checkpoint(coda, tokenizer=Words(tokens={"<|im_end|>": 11, "other": 12})).stop_ids == (11, END)


@pytest.mark.parametrize("tokenizer", [Words(mask_id=7), Words(tokens={"<|mask|>": 7})])
def test_the_tokenizer_knows_the_mask_where_the_config_does_not(coda: Path, tokenizer: Words) -> None:
    """As its mask token, or by its name in this family."""
    change_config(coda, mask_token_id=None)
    assert load_checkpoint(coda, tokenizer=tokenizer).fill_id == 7


def test_contradicting_masks_are_shown_both(coda: Path) -> None:
    """One of the files is another model's."""
    with pytest.raises(CheckpointError, match=f"mask_token_id = {MASK}, the tokenizer has 7"):
        load_checkpoint(coda, tokenizer=Words(mask_id=7))


def test_the_mask_must_not_be_the_padding(coda: Path) -> None:
    """LLaDA's padding would be denoised."""
    change_config(coda, pad_token_id=MASK)
    with pytest.raises(CheckpointError, match=f"the mask token {MASK} is also the padding"):
        load_checkpoint(coda)


def test_a_token_that_is_no_id_is_named(coda: Path) -> None:
    """With what the file says."""
    change_config(coda, eos_token_id="<|im_end|>")
    with pytest.raises(CheckpointError, match=r"eos_token_id is '<\|im_end\|>'; a token id"):
        load_checkpoint(coda)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_parameters_go_straight_to_a_mesh(coda: Path, dtype: str) -> None:
    """Each where the rule says, with the numbers that one device would hold."""
    mesh = jax.make_mesh((2,), ("model",), axis_types=(AxisType.Auto,))

    def rule(path: str, shape: tuple[int, ...]) -> NamedSharding:
        return NamedSharding(mesh, PartitionSpec("model") if path.startswith("embed_vd") else PartitionSpec())

    sharded = load_checkpoint(coda, dtype=dtype, sharding=rule).parameters
    jax.tree.map(np.testing.assert_array_equal, sharded, load_checkpoint(coda, dtype=dtype).parameters)
    for leaf in jax.tree.leaves(sharded["embed_vd"]):
        assert leaf.addressable_shards[0].data.shape[0] == VOCABULARY // 2
