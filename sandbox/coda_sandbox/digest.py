"""A hash in the place of an output that is too large to be sent: some reference outputs are 700 MB of text.

The program's process computes it, and needs the right output to do so: it does not know the expected hash. Numbers in a
flat sequence are hashed by value, as 1 == 1.0; deeper down an output must have the types of the reference's.
"""

import importlib
import marshal
from typing import Any

_LARGE = 100_000
"""Elements, or characters divided by `_CHARACTERS`."""

_CHARACTERS = 10
_CHUNK = 4096


def is_large(value: Any) -> bool:
    """Whether to hash this output. One made of floats only is compared by tolerance, and so never hashed."""
    kind = type(value)
    if kind is str:
        return len(value) > _LARGE * _CHARACTERS
    if kind not in (list, tuple) or set(map(type, value)) == {float}:
        return False
    return len(value) + sum(len(item) for item in value if type(item) in (list, tuple)) > _LARGE


def digest(value: Any) -> str:
    """The hash of an output; empty for what is not plain data."""
    if type(value) not in (list, tuple):
        value = (value,)
    # Not above: every page that the supervisor holds makes each fork dearer, and this one brings OpenSSL.
    hashed = importlib.import_module("hashlib").sha256(type(value).__name__.encode())
    flat = set(map(type, value)) <= {int, float, bool}
    try:
        for start in range(0, len(value), _CHUNK):
            chunk = value[start : start + _CHUNK]
            hashed.update(marshal.dumps(list(map(_number, chunk)) if flat else list(chunk), 2))
    except ValueError:
        return ""
    return hashed.hexdigest()


def _number(value: Any) -> Any:
    """Equal numbers as the same object of marshal."""
    return value if type(value) is float and not value.is_integer() else int(value)
