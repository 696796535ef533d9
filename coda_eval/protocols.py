"""Protocols: how a problem becomes a prompt, and where a completion ends.

A score means nothing without them, so each is named and versioned, and a run records which one it used.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from coda_eval.errors import ConfigError
from coda_eval.records import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationProtocol:
    """How completions are asked for and read."""

    name: str
    version: int
    """Rises when any byte of a prompt or of a program changes."""
    base_prompt: Callable[[Problem], str]
    """The text that a base model continues."""
    stop_strings: tuple[str, ...]
    """A completion ends before the first of them; the model may be stopped there."""
    extractor: str
    """A name in `coda_eval.extract.EXTRACTORS`."""


def prompt_as_given(problem: Problem) -> str:
    """The prompt of the data, byte for byte."""
    return problem.prompt


PROTOCOLS: dict[str, EvaluationProtocol] = {
    protocol.name: protocol
    for protocol in (
        EvaluationProtocol(
            name="human-eval",
            version=1,
            base_prompt=prompt_as_given,
            # Chen et al. 2021, section 2.2
            stop_strings=("\nclass", "\ndef", "\n#", "\nif", "\nprint"),
            extractor="completion",
        ),
    )
}


def prompt_sha256(prompt: str) -> str:
    """The hash that a sample carries of the prompt that it answers, in hexadecimal."""
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()


def find_protocol(name: str) -> EvaluationProtocol:
    """The protocol of this name.

    Raises:
        ConfigError: there is none; the message has the known ones and the closest.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    close = difflib.get_close_matches(name, PROTOCOLS, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ConfigError(f"--protocol is {name!r}, which is unknown; {hint}the known ones are {', '.join(PROTOCOLS)}")
