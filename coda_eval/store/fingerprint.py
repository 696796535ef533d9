"""What decides a result, in short: a hash of plain settings, and what differs between two of them.

Settings are JSON: mappings with string keys, sequences, strings, numbers, booleans, null. The order of keys does not
matter, nor whether a whole number is written `3` or `3.0`, nor whether a sequence is a list or a tuple.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

ABSENT = "(absent)"


class Difference(NamedTuple):
    """A setting that differs; `ABSENT` stands for one that a side does not have."""

    field: str
    """Dotted: `sampler.steps`."""
    there: object
    here: object


def fingerprint(settings: Mapping[str, object]) -> str:
    """The sha256 of the settings, in hexadecimal.

    Raises:
        TypeError, ValueError: the settings are not JSON.
    """
    text = json.dumps(_canonical(settings), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def differences(there: Mapping[str, object], here: Mapping[str, object]) -> list[Difference]:
    """The settings that make two fingerprints differ, by name; none exactly where the fingerprints are equal."""
    flat_there = dict(_flatten(_canonical(there)))
    flat_here = dict(_flatten(_canonical(here)))
    missing = object()
    found = []
    for field in sorted(flat_there.keys() | flat_here.keys()):
        a, b = flat_there.get(field, missing), flat_here.get(field, missing)
        if a is missing or b is missing or json.dumps(a) != json.dumps(b):  # as text, for `True == 1` in Python
            found.append(Difference(field, ABSENT if a is missing else a, ABSENT if b is missing else b))
    return found


def _canonical(value: object) -> Any:
    """Plain JSON with one spelling for each value."""
    if isinstance(value, Mapping):
        return {str(key): _canonical(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(member) for member in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Leaves with their dotted names; sequences and empty mappings are leaves."""
    if not isinstance(value, dict) or not value:
        yield prefix, value
        return
    for key, member in value.items():
        yield from _flatten(member, f"{prefix}.{key}" if prefix else key)
