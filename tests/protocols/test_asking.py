"""How a problem is put to a model, and how its answer is read."""

import pytest

from coda_eval.errors import ConfigError
from coda_eval.extract import EXTRACTORS
from coda_eval.protocols import PROTOCOLS, choose_style, find_protocol, prompt_sha256


def test_protocols_go_by_their_own_names() -> None:
    assert {name: protocol.name for name, protocol in PROTOCOLS.items()} == {name: name for name in PROTOCOLS}


def test_every_protocol_names_extractors_that_are_there() -> None:
    assert {asking.extractor for protocol in PROTOCOLS.values() for asking in protocol.askings.values()} <= set(
        EXTRACTORS
    )


def test_an_unknown_protocol_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"'humaneval', which is unknown; did you mean human-eval\?"):
        find_protocol("humaneval")


def test_a_style_that_a_protocol_does_not_have_is_refused_with_the_one_it_has() -> None:
    """How CoDA-Base was prompted is not published."""
    with pytest.raises(ConfigError, match=r"protocol coda-paper has no base prompt .*--prompt instruct"):
        find_protocol("coda-paper").asking("mbpp", "base")


def test_a_prompt_is_hashed_in_utf_8_and_may_hold_any_text() -> None:
    assert prompt_sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert prompt_sha256("\ud800") != prompt_sha256("\ud801")


@pytest.mark.parametrize(
    ("model", "has_chat_template", "style"),
    [
        ("Salesforce/CoDA-v0-Instruct", True, "instruct"),
        ("models/gemma-3-1b-it/", True, "instruct"),
        ("openchat/some-chat-v2", True, "instruct"),
        ("Qwen/Qwen3-1.7B-Base", True, "base"),
        ("coda-tiny", False, "base"),
        ("something-instruct", False, "base"),
    ],
)
def test_auto_goes_by_the_template_and_the_name(model: str, has_chat_template: bool, style: str) -> None:
    assert choose_style("auto", model=model, has_chat_template=has_chat_template) == style


def test_auto_does_not_guess() -> None:
    """Qwen ships its template with base models too, and calls its instruct models nothing."""
    for model in ("Qwen/Qwen3-1.7B", "checkpoints/final", "database-7b"):
        with pytest.raises(ConfigError, match=r"--prompt is auto.*--prompt instruct, or --prompt base"):
            choose_style("auto", model=model, has_chat_template=True)


def test_an_explicit_style_holds_whatever_the_name() -> None:
    assert choose_style("instruct", model="x-base", has_chat_template=True) == "instruct"
    assert choose_style("base", model="x-instruct", has_chat_template=True) == "base"


def test_a_chat_without_a_template_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no chat template; use --prompt base"):
        choose_style("instruct", model="m", has_chat_template=False)
