"""The directories that training leaves are ordinary Hugging Face checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_data import Golden

from coda_eval.errors import ConfigError, StoreError
from coda_eval.models.checkpoint import CheckpointModel, load_checkpoint
from coda_eval.tokenizer import Tokenizer
from coda_eval.training import quickstart
from coda_eval.training.batches import CANVAS_WIDTH
from coda_eval.training.quickstart import train_quickstart


@pytest.fixture
def published(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`small`, published from its finished state."""
    monkeypatch.setattr(quickstart, "RECIPES", {"small": trained.recipe})
    shutil.copyfile(trained.state_file, tmp_path / "small.state")
    (directory,) = train_quickstart(tmp_path, quiet=True)
    return directory


def load(directory: Path) -> tuple[CheckpointModel, Tokenizer]:
    """As the runner does."""
    tokenizer = Tokenizer(directory)
    return load_checkpoint(directory, tokenizer=tokenizer), tokenizer


def test_the_ordinary_loader_reads_it(published: Path, trained: Any, tokenizer: Any) -> None:
    """Architecture, special tokens and the length of the canvas."""
    model, _ = load(published)
    assert model.config == trained.recipe.architecture
    assert (model.fill_id, model.pad_id) == (tokenizer.mask_token_id, tokenizer.pad_token_id)
    assert model.stop_ids == (tokenizer.eos_token_id,)
    assert model.max_new_tokens == CANVAS_WIDTH


def test_the_tokenizer_is_the_one_trained_with(published: Path, tokenizer: Any) -> None:
    """Text to the same ids and back."""
    _, loaded = load(published)
    text = "def count_odd(values):\n    total = 0\n"
    assert loaded.encode(text) == tokenizer(text)["input_ids"]
    assert loaded.decode(loaded.encode(text)) == text
    assert len(loaded) == len(tokenizer)


def test_logits_are_those_of_the_trained_decoder_in_bfloat16(published: Path, trained: Any) -> None:
    """Nothing but the rounding of the weights lies between the two."""
    model, _ = load(published)
    graph, weights = nnx.split(trained.decoder, nnx.Param)
    rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16).astype(jnp.float32), weights)
    inputs = jnp.asarray([[40, 300, 17, 1, 1]]), jnp.arange(5)[None, :], jnp.ones((1, 5), bool)

    def logits(weights: Any) -> Any:
        decoder = nnx.merge(graph, weights)
        return decoder.head(decoder(*inputs))

    jitted = jax.jit(logits)
    expected = jitted(rounded)
    np.testing.assert_array_equal(jitted(model.parameters), expected)
    assert np.abs(expected).max() > 0.1


def test_config_has_the_fields_of_the_hub(published: Path) -> None:
    """Those of the released checkpoints, by the same names."""
    config = json.loads((published / "config.json").read_text())
    hub_fields = set().union(
        *(json.loads((Golden(name).directory / "config.json").read_text()) for name in ("coda-tiny", "qwen3-tiny"))
    )
    assert config.keys() <= hub_fields
    assert config["model_type"] == "CoDA"


def test_a_published_directory_is_replaced_as_a_whole(published: Path) -> None:
    """Nothing of an earlier one is left, and nothing half-written beside it."""
    (published / "model-00002.safetensors").touch()
    (directory,) = train_quickstart(published.parent, quiet=True)
    names = sorted(file.name for file in directory.iterdir())
    assert [name for name in names if "safetensors" in name] == ["model.safetensors"]
    assert sorted(file.name for file in published.parent.iterdir()) == ["small", "small.state"]


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    """Before anything is trained."""
    with pytest.raises(ConfigError, match="--only names 'coda-huge'; the embedded checkpoints are coda-tiny-ar"):
        train_quickstart(tmp_path, names=["coda-huge"])


def test_an_output_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Before anything is trained."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/out cannot be made .*; choose another --out"):
        train_quickstart(tmp_path / "file" / "out")
