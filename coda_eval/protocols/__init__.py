"""Protocols: how a problem becomes a prompt, where a completion ends, what is judged and by which tests.

A score means nothing without them, so each is named and versioned, and a run records which one it used.

asking       how one form of problem is put to base and to instruct models
texts        the prompts, byte for byte
tests        where a protocol's tests are not the task's own
catalogue    the protocols
"""

from coda_eval.protocols.asking import (
    STYLES,
    Asking,
    ChatTemplate,
    EvaluationProtocol,
    Prompt,
    choose_style,
    prompt_sha256,
    render_prompt,
)
from coda_eval.protocols.catalogue import PROTOCOLS, find_protocol

__all__ = [
    "PROTOCOLS",
    "STYLES",
    "Asking",
    "ChatTemplate",
    "EvaluationProtocol",
    "Prompt",
    "choose_style",
    "find_protocol",
    "prompt_sha256",
    "render_prompt",
]
