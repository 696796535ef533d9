"""Text to ids and back, with a checkpoint's own tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from coda_eval.errors import CheckpointError
from coda_eval.tokenizer import Tokenizer

END = "<|end|>"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A tokenizer of bytes, with an end-of-text token behind them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = FastTokenizer(models.BPE({byte: index for index, byte in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END).save_pretrained(tmp_path)
    return tmp_path


def test_special_tokens_count_and_stop(directory: Path) -> None:
    """256 bytes, and the end-of-text token behind them."""
    tokenizer = Tokenizer(directory)
    assert len(tokenizer) == 257
    assert tokenizer.stop_ids == (256,)


def test_a_tokenizer_may_have_no_stop_token(directory: Path) -> None:
    """Then the checkpoint's configuration has to name one."""
    file = directory / "tokenizer_config.json"
    content = json.loads(file.read_text())
    del content["eos_token"]
    file.write_text(json.dumps(content))
    assert Tokenizer(directory).stop_ids == ()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.text())
def test_text_round_trips(directory: Path, text: str) -> None:
    """Byte for byte: spaces before punctuation are code, not an artefact to clean up."""
    tokenizer = Tokenizer(directory)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_spaces_are_left_alone(directory: Path) -> None:
    """Of the kind that clean-up removes."""
    tokenizer = Tokenizer(directory)
    text = "f (x) , y . z ?  do n't\n    return 's"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_are_not_part_of_the_text(directory: Path) -> None:
    """A completion that ends is decoded without its end."""
    tokenizer = Tokenizer(directory)
    assert tokenizer.decode([*tokenizer.encode("x = 1"), 256]) == "x = 1"


def test_the_hash_covers_every_file(directory: Path) -> None:
    """A changed setting is another tokenizer."""
    before = Tokenizer(directory).sha256
    file = directory / "tokenizer_config.json"
    file.write_text(file.read_text() + "\n")
    assert Tokenizer(directory).sha256 != before


def test_a_directory_without_a_tokenizer_is_refused(directory: Path) -> None:
    """Its configuration alone is not one."""
    (directory / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no tokenizer\.json; a model directory needs its tokenizer"):
        Tokenizer(directory)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": 1}'])
def test_a_damaged_tokenizer_is_one_line(directory: Path, content: str) -> None:
    """Whatever the parser raises."""
    (directory / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"the tokenizer cannot be read \(.*\); download it again") as caught:
        Tokenizer(directory)
    assert "\n" not in str(caught.value)
