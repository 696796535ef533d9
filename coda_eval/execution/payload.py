"""Tests as the sandbox reads them: `sandbox/coda_sandbox/tester.py`."""

from __future__ import annotations

import dataclasses
import hashlib
import marshal
from dataclasses import dataclass

from coda_eval.errors import TaskError
from coda_eval.records import CheckTests, InputOutputTests

_MARSHAL_VERSION = 2
"""The newest without shared references: equal values have equal bytes, and every Python reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a reference program returned."""

    expected: list[str]
    """For each input, as JSON of `sandbox/coda_sandbox/wire.py`."""
    slowest_s: float
    """CPU seconds of the slowest input."""
    cpu_s: float
    """CPU seconds of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The tests of one suite, encoded once and sent to each sandbox once."""

    name: str
    """Tells them from other tests of the same sandbox; a hash of what they are."""
    content: bytes
    numpy: bool
    """Whether they name numpy."""


def check_payload(tests: CheckTests, entry_point: str) -> Payload:
    """Tests that are code."""
    return _payload({"kind": "check", "entry_point": entry_point, "setup": tests.setup, "code": tests.code})


def reference_payload(tests: InputOutputTests, entry_point: str, *, about: str) -> Payload:
    """The inputs, for the reference program to answer; they then judge other programs in the sandbox that has asked it.

    Raises:
        TaskError: an input is not plain data; `about` says of what.
    """
    content = {
        "kind": "reference",
        "entry_point": entry_point,
        "inputs": [list(arguments) for arguments in tests.inputs],
        "oracle": tests.oracle,
        "atol": float(tests.atol),
    }
    payload = _payload(content, about=about)
    # The reference decides what the tests are, as the inputs do.
    name = hashlib.sha256(f"{payload.name}\0{tests.reference}".encode("utf-8", "surrogatepass")).hexdigest()
    return dataclasses.replace(payload, name=name)


def input_output_payload(reference: Payload, answers: Answers) -> Payload:
    """The same with what the reference program answered, for the other sandboxes."""
    content = marshal.loads(reference.content) | {"kind": "input_output", "expected": answers.expected}
    return dataclasses.replace(reference, content=marshal.dumps(content, _MARSHAL_VERSION))


def _payload(tests: dict[str, object], about: str = "") -> Payload:
    try:
        content = marshal.dumps(tests, _MARSHAL_VERSION)
    except ValueError:
        raise TaskError(
            f"the inputs of {about} hold a value that is not plain data; None, numbers, strings, bytes, lists, tuples, "
            "sets and dicts can be sent to a program"
        ) from None
    return Payload(name=hashlib.sha256(content).hexdigest(), content=content, numpy=b"numpy" in content)
