"""How a problem is put to a model, and how its answer is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from coda_eval.errors import ConfigError
from coda_eval.records import Problem, Tests

STYLES = ("base", "instruct")
"""What a model is: one that continues a text, or one that answers a turn of a chat."""

_SAYS_INSTRUCT = re.compile(r"(?i)(^|[-_.])(instruct|chat|it)([-_.]|$)")
_SAYS_BASE = re.compile(r"(?i)(^|[-_.])base([-_.]|$)")


class ChatTemplate(Protocol):
    """A tokenizer's way to put a chat into one text."""

    def render_chat(
        self, messages: Sequence[Mapping[str, str]], *, prefill: str = "", enable_thinking: bool | None = None
    ) -> str:
        """The text of a chat whose last turn, the assistant's, begins with `prefill` and is open."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is given, before a chat template."""

    text: str
    """What a base model continues, or the user's turn."""
    prefill: str = ""
    """How the assistant's turn begins; the model goes on from there."""

    def messages(self) -> list[dict[str, str]]:
        """The chat before the assistant's turn."""
        return [{"role": "user", "content": self.text}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How one form of problem is put to models of one style."""

    prompt: Callable[[Problem, Sequence[Problem]], Prompt]
    """Of a problem and the task's examples."""
    stop_strings: tuple[str, ...]
    """A completion ends before the first of them."""
    extractor: str
    """A name in `coda_eval.extract.EXTRACTORS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationProtocol:
    """How completions are asked for, read and tested."""

    name: str
    version: int
    """Rises when any byte of a prompt, a program or a test changes."""
    askings: Mapping[tuple[str, str], Asking]
    """By `Problem.form` and style."""
    tests: Callable[[Problem], dict[str, Tests]] | None = None
    """The suites that a program is judged by, where they are not the task's own."""
    timeout_s: float | None = None
    """CPU seconds, where it is not the task's own."""
    remark: str = ""
    """What a reader of the scores has to know."""

    def asking(self, form: str, style: str) -> Asking:
        """How this protocol puts a form of problem to models of a style.

        Raises:
            ConfigError: it does not.
        """
        if (form, style) not in self.askings:
            offered = " or ".join(offered for its_form, offered in self.askings if its_form == form)
            raise ConfigError(f"protocol {self.name} has no {style} prompt for such problems; use --prompt {offered}")
        return self.askings[form, style]


def choose_style(requested: str, *, model: str, has_chat_template: bool) -> str:
    """`base` or `instruct` for `--prompt`; `auto` goes by the tokenizer and by the model's name.

    A chat template alone decides nothing: base models of Qwen carry one.

    Raises:
        ConfigError: it is something else, asks for a chat without a template, or the name says neither.
    """
    if requested not in (*STYLES, "auto"):
        raise ConfigError(f"--prompt is {requested!r}; choose one of auto, {', '.join(STYLES)}")
    if requested == "instruct" and not has_chat_template:
        raise ConfigError(f"--prompt is instruct, but the tokenizer of {model} has no chat template; use --prompt base")
    if requested != "auto":
        return requested
    name = model.rstrip("/").rpartition("/")[2]
    if not has_chat_template or _SAYS_BASE.search(name):
        return "base"
    if _SAYS_INSTRUCT.search(name):
        return "instruct"
    raise ConfigError(
        f"--prompt is auto, and the name {name!r} says neither `instruct`, `chat` nor `base`, while the tokenizer has "
        "a chat template; say --prompt instruct, or --prompt base"
    )


def render_prompt(prompt: Prompt, style: str, template: ChatTemplate) -> str:
    """The text that the model is given."""
    return prompt.text if style == "base" else template.render_chat(prompt.messages(), prefill=prompt.prefill)


def prompt_sha256(prompt: str) -> str:
    """The hash that a sample carries of the prompt that it answers, in hexadecimal."""
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
