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
"""Elements or characters at a time: what they become stays in the cache."""

_EXACT = bytes(top for top in range(256) if top & 0x7F < 0x43)
"""First bytes of the doubles below 2^49: an integer among them has lost nothing when it became one."""

_MAYBE_MINUS_ZERO = b"\x80"


def is_large(value: Any) -> bool:
    """Whether to hash this output. One made of floats only is compared by tolerance, and so never hashed."""
    kind = type(value)
    if kind is str:
        return len(value) > _LARGE * _CHARACTERS
    if kind not in (list, tuple):
        return False
    if len(value) > _LARGE:
        # Most that is no list of floats shows it at its beginning; to look at all of it takes longer than to hash it.
        return any(type(item) is not float for item in value[:16]) or set(map(type, value)) != {float}
    kinds = set(map(type, value))
    return bool(kinds & {list, tuple}) and (
        len(value) + sum(len(item) for item in value if type(item) in (list, tuple)) > _LARGE
    )


def digest(value: Any) -> str:
    """The hash of an output; empty for what is not plain data."""
    # Not above: every page that the supervisor holds makes each fork dearer, and these bring OpenSSL and a library.
    hashed = importlib.import_module("hashlib").sha256(type(value).__name__.encode())
    if type(value) is str:
        for start in range(0, len(value), _CHUNK):
            hashed.update(value[start : start + _CHUNK].encode("utf-8", "surrogatepass"))
        return str(hashed.hexdigest())
    if type(value) not in (list, tuple):
        return ""
    array = importlib.import_module("array").array
    flat = set(map(type, value)) <= {int, float, bool}
    try:
        for start in range(0, len(value), _CHUNK):
            chunk = value[start : start + _CHUNK]
            hashed.update(_numbers(chunk, array) if flat else marshal.dumps(list(chunk), 2))
    except ValueError:
        return ""
    return str(hashed.hexdigest())


def _numbers(chunk: Any, array: Any) -> bytes:
    """The same bytes for equal numbers."""
    try:
        doubles: bytes = array("d", chunk).tobytes()
    except OverflowError:
        pass
    else:
        first_bytes = doubles[7::8]  # on little-endian machines, as all are that the image is built for
        if _MAYBE_MINUS_ZERO in first_bytes:
            doubles = array("d", [number + 0.0 for number in chunk]).tobytes()
        if not first_bytes.translate(None, _EXACT):
            return doubles
    return marshal.dumps(list(map(_number, chunk)), 2)


def _number(value: Any) -> Any:
    """Equal numbers as the same object of marshal."""
    return value if type(value) is float and not value.is_integer() else int(value)
