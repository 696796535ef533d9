"""A model behind HTTP, against a real server on this machine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from completion_server import Serve, Server, completion

from coda_eval.config import EndpointConfig
from coda_eval.endpoint import Draw, Endpoint, EndpointReference, parse_reference
from coda_eval.errors import ConfigError, EndpointError

DRAW = Draw(max_new_tokens=7, temperature=0.0, top_p=1.0, seed=3)
SECRET = "sk-very-secret"


def reference(server: Server) -> EndpointReference:
    return EndpointReference("a-model", server.base_url)


def ask(server: Server, *, retries: int = 0, timeout_s: float = 10.0) -> Any:
    with Endpoint(reference(server), EndpointConfig(retries=retries, timeout_s=timeout_s)) as endpoint:
        return endpoint.complete("def f():\n", DRAW)


def test_a_text_is_continued(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the settings of the run, and the key of the environment."""
    monkeypatch.setenv("CODA_EVAL_API_KEY", SECRET)
    server = serve(lambda server, body: (200, completion()))
    answer = ask(server)
    assert (answer.text, answer.stop_reason, answer.tokens) == ("    return 1\n", "stop_token", 5)
    ((path, body, authorization),) = server.requests
    assert path == "/v1/completions"
    assert body == {"model": "a-model", "prompt": "def f():\n", "max_tokens": 7, "temperature": 0.0, "top_p": 1.0}
    assert authorization == f"Bearer {SECRET}"


def test_a_conversation_is_answered(serve: Serve) -> None:
    """The text is the message's; where it was cut, that is said; a draw is seeded."""
    choice = {"message": {"role": "assistant", "content": "```python"}, "finish_reason": "length"}
    server = serve(lambda server, body: (200, json.dumps({"choices": [choice]}).encode()))
    messages = [{"role": "user", "content": "Write f."}]
    with Endpoint(reference(server), EndpointConfig()) as endpoint:
        answer = endpoint.chat(messages, Draw(max_new_tokens=7, temperature=0.5, top_p=0.9, seed=3))
    assert (answer.text, answer.stop_reason, answer.tokens) == ("```python", "length", None)
    ((path, body, _),) = server.requests
    assert path == "/v1/chat/completions"
    assert body["messages"] == messages
    assert body["seed"] == 3


def test_a_busy_server_is_asked_again(serve: Serve) -> None:
    """429 twice, then an answer."""
    server = serve(lambda server, body: (429, b"{}") if len(server.requests) < 3 else (200, completion()))
    assert ask(server, retries=2).tokens == 5


@pytest.mark.parametrize(
    ("status", "content", "says"),
    [
        pytest.param(429, b"slow down", "429", id="too many requests"),
        pytest.param(401, f"bad key {SECRET}".encode(), "CODA_EVAL_API_KEY", id="no key"),
        pytest.param(404, b'{"error": "no such model"}', "no such model", id="no such model"),
        pytest.param(500, b"<h1>down</h1>", "500", id="down"),
        pytest.param(200, b"<!doctype html>", "no completion", id="a web page"),
        pytest.param(200, b'{"choices": []}', "no completion", id="no choice"),
        pytest.param(200, b'{"choices": [{"text": 3}]}', "no completion", id="a number for a text"),
        pytest.param(200, b"[]", "no completion", id="a list"),
        pytest.param(200, b"\xff\xfe", "no completion", id="no text"),
    ],
)
def test_a_bad_answer_is_one_error_of_ours(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int, content: bytes, says: str
) -> None:
    """With the model, the address and what the server said, but never the key."""
    monkeypatch.setenv("CODA_EVAL_API_KEY", SECRET)
    server = serve(lambda server, body: (status, content))
    with pytest.raises(EndpointError, match=says) as caught:
        ask(server)
    assert server.base_url in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_server_that_hangs_is_given_up(serve: Serve) -> None:
    """After the time limit."""

    def hang(server: Server, body: dict[str, Any]) -> None:
        server.released.wait()

    with pytest.raises(EndpointError, match=r"within 0\.1 s"):
        ask(serve(hang), timeout_s=0.1)


def test_a_server_that_is_not_there_is_one_error_of_ours(serve: Serve) -> None:
    """Nobody listens at the port."""
    server = Server(lambda server, body: None)
    server.server_close()
    with pytest.raises(EndpointError, match="cannot be reached"):
        ask(server)


def test_a_server_that_hangs_up_is_one_error_of_ours(serve: Serve) -> None:
    """The connection closes without an answer."""
    with pytest.raises(EndpointError, match="cannot be reached"):
        ask(serve(lambda server, body: None))


def test_a_reference_is_taken_apart() -> None:
    """A model's name may hold slashes and an at sign."""
    assert parse_reference("openai:org/model@v2@https://host:8000/v1/") == EndpointReference(
        "org/model@v2", "https://host:8000/v1"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("openai:model", "openai:MODEL@BASE_URL"),
        ("openai:model@localhost:8000", "openai:MODEL@BASE_URL"),
        ("openai:model@http://", "openai:MODEL@BASE_URL"),
        ("openai:model@http:///v1", "no host"),
        ("openai:model@http://host:port/v1", "address"),
        ("openai:model@https://me:secret@host/v1", "CODA_EVAL_API_KEY"),
        ("openai:model@https://host/v1?key=secret", "CODA_EVAL_API_KEY"),
    ],
)
def test_a_bad_reference_is_refused_without_showing_a_key(text: str, says: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError, match=says) as caught:
        parse_reference(text)
    assert "secret" not in str(caught.value)
