"""Text to ids and back, with a checkpoint's own tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, pre_tokenizers, processors
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


@pytest.fixture(scope="module")
def official(shared: Path) -> Tokenizer:
    """That of CoDA-v0-Instruct."""
    return Tokenizer(shared / "data" / "tokenizer")


@pytest.mark.parametrize("name", ["DreamTokenizer", "OtherTokenizer"])
def test_code_that_a_checkpoint_brings_is_never_run(shared: Path, directory: Path, tmp_path: Path, name: str) -> None:
    """Dream's tokenizer is Qwen's by another name; one that is not known needs a `tokenizer.json`."""
    there = tmp_path / "checkpoint"
    shutil.copytree(shared / "data" / "tokenizer", there, copy_function=shutil.copyfile)
    there.chmod(0o755)
    config = json.loads((there / "tokenizer_config.json").read_text())
    config |= {"tokenizer_class": name, "auto_map": {"AutoTokenizer": [f"own.{name}", None]}}
    (there / "tokenizer_config.json").write_text(json.dumps(config))
    (there / "config.json").write_text('{"model_type": "Dream"}')
    (there / "own.py").write_text("raise SystemExit\n")
    if name == "DreamTokenizer":
        text = "def f():\n    return '12'<|im_end|>"
        assert Tokenizer(there).encode(text) == Tokenizer(shared / "data" / "tokenizer").encode(text)
    else:
        with pytest.raises(CheckpointError, match=r"\(OtherTokenizer\), which is never run; put a tokenizer\.json"):
            Tokenizer(there)
        shutil.copyfile(directory / "tokenizer.json", there / "tokenizer.json")
        assert Tokenizer(there).decode([0]) == Tokenizer(directory).decode([0])


U2 = (
    "You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n"
    "{t0}\n{t1}\n{t2}"
)
G2 = "Here is the completed function:\n```python\n"


def test_the_prompt_of_the_coda_paper_is_rendered_byte_for_byte(official: Tokenizer) -> None:
    """With the empty think block that the template puts into a last assistant turn (PROTOCOLS.md, `coda-paper`)."""
    user = U2.format(
        text="Write a function to add.", t0="assert add(1, 2) == 3", t1="assert add(0, 0) == 0", t2="a < b"
    )
    rendered = official.render_chat([{"role": "user", "content": user}], prefill=G2)
    assert rendered == (
        f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        "Here is the completed function:\n```python\n"
    )


def test_special_tokens_of_a_chat_are_single_ids(official: Tokenizer) -> None:
    """So that the rendered prompt is what the model was trained on; nothing is put around it."""
    rendered = official.render_chat([{"role": "user", "content": "U"}])
    assert official.encode(rendered)[0] == official.token_id("<|im_start|>") == 151644
    assert official.mask_id == official.token_id("<|mask|>") == 151669
    assert official.stop_ids == (151645,)


@pytest.mark.parametrize(
    ("thinking", "end"), [(None, "assistant\n"), (True, "assistant\n"), (False, "assistant\n<think>\n\n</think>\n\n")]
)
def test_thinking_is_passed_on_to_the_template(official: Tokenizer, *, thinking: bool | None, end: str) -> None:
    """None is the template's own default."""
    rendered = official.render_chat([{"role": "user", "content": "U"}], enable_thinking=thinking)
    assert rendered == f"<|im_start|>user\nU<|im_end|>\n<|im_start|>{end}"


def with_template(directory: Path, template: str, **fields: str) -> Tokenizer:
    """The tokenizer of bytes with a chat template, and other fields of its configuration."""
    file = directory / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": template, **fields}))
    return Tokenizer(directory)


def test_the_beginning_of_the_answer_survives_a_template_that_trims(directory: Path) -> None:
    """As those of Llama 3 and Gemma do."""
    tokenizer = with_template(directory, "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{% endfor %}")
    rendered = tokenizer.render_chat([{"role": "user", "content": "U "}], prefill="Here:\n```python\n")
    assert rendered == "[user]U[assistant]Here:\n```python\n"


def test_a_template_that_drops_the_beginning_of_the_answer_is_refused(directory: Path) -> None:
    """Rather than asked something else."""
    tokenizer = with_template(
        directory, "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}"
    )
    with pytest.raises(CheckpointError, match="chat template"):
        tokenizer.render_chat([{"role": "user", "content": "U"}], prefill="Here:")


def test_what_a_template_raises_is_one_line(directory: Path) -> None:
    """Templates refuse roles or orders that they do not know."""
    tokenizer = with_template(directory, "{{ raise_exception('no system role') }}")
    with pytest.raises(CheckpointError, match=r"cannot render the prompt \(no system role\)"):
        tokenizer.render_chat([{"role": "user", "content": "U"}])


def test_without_a_template_there_is_no_chat(directory: Path) -> None:
    """A base model is asked in the base style."""
    tokenizer = Tokenizer(directory)
    assert tokenizer.chat_template_sha256 is None
    with pytest.raises(CheckpointError, match="has no chat template"):
        tokenizer.render_chat([{"role": "user", "content": "U"}])


def test_the_template_is_hashed(directory: Path) -> None:
    """By itself, and with the files of the tokenizer."""
    one, other = (with_template(directory, text) for text in ("{{ messages }}", "{{ messages[0] }}"))
    assert one.chat_template_sha256 != other.chat_template_sha256
    assert one.sha256 != other.sha256


def test_a_text_that_begins_with_the_first_token_gets_no_second_one(tmp_path: Path) -> None:
    """Llama's and Gemma's templates write it, and their tokenizers add it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = FastTokenizer(models.BPE({byte: index for index, byte in enumerate(alphabet)}, []))
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 256)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token=END).save_pretrained(tmp_path)
    assert Tokenizer(tmp_path).encode("a")[0] == 256
    assert Tokenizer(tmp_path).encode("<s>a") == Tokenizer(tmp_path).encode("a")
