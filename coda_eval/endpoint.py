"""A model behind an OpenAI-compatible interface: `openai:MODEL@BASE_URL`.

The key comes from the environment (`CODA_EVAL_API_KEY`, else `OPENAI_API_KEY`); it is sent to the endpoint and written
nowhere. What the endpoint does with a prompt (its template, its limits, its hardware) is not under our control and not
known: a time measured here includes the way there and back.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import openai

from coda_eval.config import EndpointConfig
from coda_eval.errors import ConfigError, EndpointError

PREFIX = "openai:"
KEY_VARIABLES = ("CODA_EVAL_API_KEY", "OPENAI_API_KEY")
SHOWN_CHARACTERS = 200

Message = dict[str, str]
"""`role` and `content`."""


@dataclass(frozen=True, slots=True)
class EndpointReference:
    """Which model, and where."""

    model: str
    base_url: str
    """Up to and including the version: `https://host/v1`."""


def is_endpoint(reference: str) -> bool:
    """Whether a model reference names an endpoint."""
    return reference.startswith(PREFIX)


def parse_reference(reference: str) -> EndpointReference:
    """Takes `openai:MODEL@BASE_URL` apart.

    Raises:
        ConfigError: it has another form, or the address holds a key, which would end up in manifests.
    """
    found = re.fullmatch(r"openai:(?P<model>.+?)@(?P<url>https?://.+)", reference)
    if found is None:
        raise ConfigError(
            f"--model is {reference!r}; an endpoint is openai:MODEL@BASE_URL, such as "
            "openai:qwen2.5-coder@http://localhost:8000/v1"
        )
    try:
        address = urlsplit(found["url"])
        _ = address.port
    except ValueError as error:
        raise ConfigError(f"--model is {reference!r}: its address cannot be read ({error})") from None
    if not address.hostname:
        raise ConfigError(f"--model is {reference!r}: its address names no host")
    if address.username or address.password or address.query:
        raise ConfigError(
            "--model has a name, a password or a query in its address, which every manifest would show; "
            f"put the key into {KEY_VARIABLES[0]}"
        )
    return EndpointReference(found["model"], found["url"].rstrip("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How one completion is drawn."""

    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    """Sent only where there is something to draw: with a temperature."""

    def parameters(self) -> dict[str, Any]:
        """As the interface calls them."""
        always = {"max_tokens": self.max_new_tokens, "temperature": self.temperature, "top_p": self.top_p}
        return {**always, "seed": self.seed} if self.temperature > 0 else always


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCompletion:
    """What came back."""

    text: str
    stop_reason: str
    """`stop_token`, or `length`."""
    tokens: int | None
    """As the endpoint counts them; None where it does not say."""


class Endpoint:
    """One endpoint; threads may share it. A context manager, which closes its connections."""

    def __init__(self, reference: EndpointReference, config: EndpointConfig) -> None:
        """Nothing is sent yet."""
        self.reference = reference
        self._config = config
        self._key = next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), None)
        self._client = openai.OpenAI(
            base_url=reference.base_url,
            api_key=self._key or "none",  # the client insists on one; servers at home ignore it
            timeout=config.timeout_s,
            max_retries=config.retries,
        )

    def complete(self, prompt: str, draw: Draw) -> EndpointCompletion:
        """Continues a text.

        Raises:
            EndpointError: it refuses, does not answer in time, or answers rubbish, after the retries.
        """
        return self._ask("/completions", {"prompt": prompt}, draw)

    def chat(self, messages: Sequence[Message], draw: Draw) -> EndpointCompletion:
        """Answers a conversation; where its last turn is the assistant's, the answer is expected to continue it.

        Raises:
            EndpointError: as for `complete`.
        """
        return self._ask("/chat/completions", {"messages": list(messages)}, draw)

    def _ask(self, path: str, question: Mapping[str, Any], draw: Draw) -> EndpointCompletion:
        body = {"model": self.reference.model, **question, **draw.parameters()}
        try:
            # The raw text: the client's own parsing lets rubbish through.
            answer = self._client.post(
                path, body=body, cast_to=str, options={"headers": {"Accept": "application/json"}}
            )
        except openai.APITimeoutError:
            raise self._error(
                f"did not answer within {self._config.timeout_s:g} s, asked {self._config.retries + 1} times; "
                "raise --endpoint-timeout-s or see whether it is alive"
            ) from None
        except openai.APIConnectionError as error:
            raise self._error(f"cannot be reached ({error.__cause__ or error}); is it running there?") from None
        except openai.RateLimitError as error:
            raise self._error(
                f"answers 429, too many requests, after {self._config.retries} retries ({self._said(error)}); "
                "lower --batch-size or raise --endpoint-retries; the same command goes on"
            ) from None
        except openai.AuthenticationError as error:
            raise self._error(f"refuses the key ({self._said(error)}); put one into {KEY_VARIABLES[0]}") from None
        except openai.APIStatusError as error:
            raise self._error(f"answers {error.status_code} ({self._said(error)})") from None
        return self._read(answer)

    def _read(self, answer: str) -> EndpointCompletion:
        try:
            document = json.loads(answer)
            choice = document["choices"][0]
            text = choice["message"]["content"] if "message" in choice else choice["text"]
            usage = document.get("usage") or {}
            tokens = usage.get("completion_tokens")
            if not isinstance(text, str | None) or not isinstance(tokens, int | None):
                raise TypeError("the text or the count of tokens is of another type")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise self._error(
                f"answers something that is no completion: {self._shown(answer)!r}; "
                "is the address the one that ends in /v1?"
            ) from None
        stop_reason = "length" if choice.get("finish_reason") == "length" else "stop_token"
        return EndpointCompletion(text=text or "", stop_reason=stop_reason, tokens=tokens)

    def _error(self, message: str) -> EndpointError:
        return EndpointError(f"{self.reference.model} at {self.reference.base_url} {message}")

    def _said(self, error: openai.APIStatusError) -> str:
        return self._shown(error.response.text) or "without a word"

    def _shown(self, text: str) -> str:
        """What a server said, short and without the key, should it repeat it."""
        clean = text.replace(self._key, "***") if self._key else text
        return " ".join(clean.split())[:SHOWN_CHARACTERS]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
