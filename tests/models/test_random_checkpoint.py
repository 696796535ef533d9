"""Checkpoints with random weights, in every family's layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from models.checkpoint_files import read_tensors

from coda_eval.errors import ConfigError, StoreError
from coda_eval.models import random_checkpoint
from coda_eval.models.checkpoint import load_checkpoint
from coda_eval.models.inspection import inspect_checkpoint
from coda_eval.models.random_checkpoint import resize, speak, write_random_checkpoint
from coda_eval.models.references import embedded_directory
from coda_eval.models.shapes import SHAPES, Shape
from coda_eval.tokenizer import Tokenizer

EACH_FAMILY = ["coda-1.7b", "dream-7b", "llada-8b", "qwen3-0.6b", "qwen2.5-coder-0.5b", "llama-3.2-1b", "gemma-3-1b"]


def small(name: str, vocabulary: int = 64) -> Shape:
    """Two layers of width 32."""
    return resize(SHAPES[name], layers=2, hidden=32, vocabulary=vocabulary)


@pytest.mark.parametrize(
    "name", ["coda-1.7b", "dream-7b", "llada-8b", "qwen2.5-coder-0.5b", "llama-3.2-1b", "gemma-3-1b"]
)
def test_a_random_checkpoint_loads(name: str, tmp_path: Path) -> None:
    """With the architecture that was asked for; special tokens are inside the vocabulary."""
    shape = small(name)
    write_random_checkpoint(shape, tmp_path / "model", dtype="bfloat16", seed=0)
    model = load_checkpoint(tmp_path / "model")
    assert model.config == shape.architecture
    assert (model.config.num_layers, model.config.hidden_size, model.config.vocab_size) == (2, 32, 64)
    assert inspect_checkpoint(tmp_path / "model", None).problems == ()


def test_sizes_follow_the_width() -> None:
    """Heads keep their width while four fit; queries keep sharing keys as they did."""
    wide = resize(SHAPES["coda-1.7b"], hidden=1024).architecture
    assert (wide.num_heads, wide.num_kv_heads, wide.head_dim, wide.intermediate_size) == (8, 4, 128, 3072)
    narrow = resize(SHAPES["coda-1.7b"], hidden=64).architecture
    assert (narrow.num_heads, narrow.num_kv_heads, narrow.head_dim, narrow.intermediate_size) == (4, 2, 16, 192)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"layers": 0}, "--layers is 0; it must be at least 1"),
        ({"hidden": 1000}, "--hidden is 1000; it must be a multiple of 128"),
        ({"vocabulary": 3}, "--vocabulary is 3; it must be at least 8"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, int], message: str) -> None:
    """With the option's name."""
    with pytest.raises(ConfigError, match=message):
        resize(SHAPES["coda-1.7b"], **sizes)


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    """And nothing else does."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_random_checkpoint(small("coda-1.7b"), tmp_path / name, dtype="float32", seed=seed)
    a, b, c = (read_tensors(tmp_path / name)["lm_head.weight"] for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_large_checkpoints_are_sharded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an index, as the hub's are."""
    monkeypatch.setattr(random_checkpoint, "SHARD_BYTES", 10_000)
    write_random_checkpoint(small("coda-1.7b"), tmp_path / "model", dtype="float32", seed=0)
    files = sorted(file.name for file in (tmp_path / "model").glob("*.safetensors"))
    assert len(files) > 2
    index = json.loads((tmp_path / "model" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(files)
    assert load_checkpoint(tmp_path / "model").config.num_layers == 2


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A directory with something in it is refused."""
    (tmp_path / "note").touch()
    with pytest.raises(StoreError, match="is not an empty directory; choose another --out"):
        write_random_checkpoint(small("coda-1.7b"), tmp_path, dtype="float32", seed=0)


def test_the_special_tokens_may_be_those_of_a_tokenizer() -> None:
    """So that the model can be run with it."""
    tokenizer = Tokenizer(embedded_directory("coda-tiny"))
    spoken = speak(small("coda-1.7b", 600), tokenizer)
    assert spoken.config["mask_token_id"] == tokenizer.mask_id
    assert (spoken.config["eos_token_id"],) == tokenizer.stop_ids
    with pytest.raises(ConfigError, match=f"the tokenizer has {len(tokenizer)} ids, the model 64; give --vocabulary"):
        speak(small("coda-1.7b"), tokenizer)
