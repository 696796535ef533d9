"""Plain data as JSON, in both directions between the tester and a program it does not trust.

`decode` makes objects of exact built-in types only, so that no `__eq__`, `__hash__` or `__reduce__` of the program ever
reaches the tester: what arrives is a value, and the comparison is Python's own. Where a program returns an instance of
a subclass (a namedtuple, an `IntEnum`), its built-in value is sent.

    null true 1 1.5 "x" [1]   themselves; NaN and the infinities as Python's json writes them
    {"i": "0x..."}            an int beyond 53 bits, in hexadecimal: decimal conversion stops at 4,300 digits
    {"t": [...]}              a tuple; "s" set, "f" frozenset, "d" dict as pairs, ... see `_DECODERS`
    {"o": "generator"}        something that is not plain data, by the name of its type
"""

import importlib
import math
import re
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 100
_MAX_NATIVE_INT = 1 << 53
_MAX_ARRAY_BYTES = 1 << 26
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c(8|16)|[SU]\d{1,6})")
_NATIVE = frozenset({type(None), bool, float, str})
_EMPTY: dict[Any, Any] = {}


class Unencodable(Exception):
    """The value is not plain data."""


class Malformed(Exception):
    """A message that `encode` cannot have made."""


class Opaque:
    """Stands in the tester for a returned object that is not plain data: equal to nothing but itself."""

    def __init__(self, type_name: str, *, truth: bool = True) -> None:
        self.type_name = type_name
        self.truth = truth

    def __bool__(self) -> bool:
        return self.truth

    def __repr__(self) -> str:
        return f"<{self.type_name}: not plain data>"


def encode(value: Any, *, opaque: bool = False, depth: int = 0) -> Any:
    """Turn `value` into what `json.dumps` can write.

    Args:
        value: plain data, nested at most `MAX_DEPTH` deep.
        opaque: send the name of the type in the place of a value that is not plain data.
        depth: how deep `value` is nested already.

    Raises:
        Unencodable: `value` is not plain data (and `opaque` is false).
    """
    kind = type(value)
    if kind in _NATIVE:
        return value
    if kind is int:
        return value if -_MAX_NATIVE_INT < value < _MAX_NATIVE_INT else {"i": hex(value)}
    if depth > MAX_DEPTH:
        return _not_plain(f"{kind.__name__} nested over {MAX_DEPTH} deep", value, opaque)

    def items(values: Any) -> list[Any]:
        types = set(map(type, values))
        if types <= _NATIVE or (types == {int} and min(values) > -_MAX_NATIVE_INT and max(values) < _MAX_NATIVE_INT):
            return list(values)
        return [encode(item, opaque=opaque, depth=depth + 1) for item in values]

    encoder = _ENCODERS.get(kind)
    if encoder is not None:
        return encoder(value, items)
    for module, name, lazy_encoder in _LAZY_ENCODERS:
        if module in sys.modules and kind is getattr(sys.modules[module], name, None):
            return lazy_encoder(value, items)
    # Where numpy has not been imported, nothing can be of its types.
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return _encode_numpy(numpy, value, opaque)
    for base, plain in _SUBCLASSES:
        if issubclass(kind, base):
            return encode(plain(value), opaque=opaque, depth=depth)
    return _not_plain(kind.__name__, value, opaque)


def decode(data: Any) -> Any:
    """The value that `encode` was given.

    Raises:
        Malformed: no value encodes to `data`.
    """
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) != 1:
        raise Malformed(f"{len(data)} tags on one value")
    [(tag, content)] = data.items()
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise Malformed(f"unknown tag {tag!r:.20}")
    try:
        return decoder(content)
    except Malformed:
        raise
    except Exception as error:
        raise Malformed(f"bad content of {tag!r}: {type(error).__name__}") from error


def _not_plain(type_name: str, value: Any, opaque: bool) -> Any:
    if not opaque:
        raise Unencodable(type_name)
    try:
        truth = bool(value)
    except Exception:
        truth = True
    return {"o": [type_name[:80], truth]}


def _flat(pairs: Any) -> list[Any]:
    """Keys and values in turn, so that one fast path serves both."""
    return [element for pair in pairs for element in pair]


def _pairs(content: list[Any]) -> Any:
    elements = decode(content)
    return zip(elements[::2], elements[1::2], strict=True)


Items = Callable[[Any], list[Any]]

_ENCODERS: dict[type, Callable[[Any, Items], Any]] = {
    list: lambda value, items: items(value),
    tuple: lambda value, items: {"t": items(value)},
    set: lambda value, items: {"s": items(value)},
    frozenset: lambda value, items: {"f": items(value)},
    dict: lambda value, items: {"d": items(_flat(value.items()))},
    Counter: lambda value, items: {"counter": items(_flat(value.items()))},
    OrderedDict: lambda value, items: {"ordered": items(_flat(value.items()))},
    defaultdict: lambda value, items: {"default": items(_flat(value.items()))},
    deque: lambda value, items: {"deque": [value.maxlen, items(value)]},
    bytes: lambda value, items: {"b": value.hex()},
    bytearray: lambda value, items: {"bytearray": value.hex()},
    complex: lambda value, items: {"c": [value.real, value.imag]},
    range: lambda value, items: {"range": items((value.start, value.stop, value.step))},
    slice: lambda value, items: {"slice": items((value.start, value.stop, value.step))},
    type(Ellipsis): lambda value, items: {"ellipsis": None},
    type(_EMPTY.keys()): lambda value, items: {"keys": items(list(value))},
    type(_EMPTY.values()): lambda value, items: {"values": items(list(value))},
    type(_EMPTY.items()): lambda value, items: {"items": items(_flat(value))},
}

# The same for types of modules that not every program should pay for: what is not imported has no instances.
_LAZY_ENCODERS: tuple[tuple[str, str, Callable[[Any, Items], Any]], ...] = (
    ("decimal", "Decimal", lambda value, items: {"decimal": str(value)}),
    ("fractions", "Fraction", lambda value, items: {"fraction": items((value.numerator, value.denominator))}),
)

# The built-in value of an instance of a subclass, by the base's own methods. Order matters: bool has no subclasses.
_SUBCLASSES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__pos__),
    (float, float.__pos__),
    (str, str.__str__),
    (tuple, lambda value: tuple(tuple.__iter__(value))),
    (list, lambda value: list(list.__iter__(value))),
    (dict, lambda value: dict(dict.items(value))),
    (set, lambda value: set(set.__iter__(value))),
    (frozenset, lambda value: frozenset(frozenset.__iter__(value))),
)


def _decode_opaque(content: list[Any]) -> Opaque:
    type_name, truth = content
    return Opaque(str(type_name)[:80], truth=truth is True)


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "i": lambda content: int(content, 16),
    "t": lambda content: tuple(decode(content)),
    "s": lambda content: set(decode(content)),
    "f": lambda content: frozenset(decode(content)),
    "d": lambda content: dict(_pairs(content)),
    "counter": lambda content: Counter(dict(_pairs(content))),
    "ordered": lambda content: OrderedDict(_pairs(content)),
    "default": lambda content: defaultdict(None, _pairs(content)),
    "deque": lambda content: deque(decode(content[1]), content[0]),
    "b": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "c": lambda content: complex(*content),
    "range": lambda content: range(*decode(content)),
    "slice": lambda content: slice(*decode(content)),
    "decimal": lambda content: importlib.import_module("decimal").Decimal(content),
    "fraction": lambda content: importlib.import_module("fractions").Fraction(*decode(content)),
    "ellipsis": lambda content: ...,
    "keys": lambda content: dict.fromkeys(decode(content)).keys(),
    "values": lambda content: dict(enumerate(decode(content))).values(),
    "items": lambda content: dict(_pairs(content)).items(),
    "scalar": lambda content: _decode_numpy(content[0], content[1], [])[()],
    "array": lambda content: _decode_numpy(content[0], content[1], content[2]),
    "o": _decode_opaque,
}


def is_array(value: Any) -> bool:
    """Whether `value` is an array of numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _encode_numpy(numpy: Any, value: Any, opaque: bool) -> Any:
    dtype = value.dtype.str
    if not _DTYPE.fullmatch(dtype):
        return _not_plain(f"numpy {dtype}", None, opaque)
    flat = [encode(item) for item in numpy.asarray(value).ravel().tolist()]
    if isinstance(value, numpy.generic):
        return {"scalar": [dtype, flat]}
    return {"array": [dtype, flat, list(value.shape)]}


def _decode_numpy(dtype: str, flat: list[Any], shape: list[int]) -> Any:
    if not _DTYPE.fullmatch(dtype) or len(flat) != math.prod(shape):
        raise Malformed("not an array")
    numpy = importlib.import_module("numpy")
    if numpy.dtype(dtype).itemsize * len(flat) > _MAX_ARRAY_BYTES:
        raise Malformed("too large an array")
    return numpy.array([decode(item) for item in flat], dtype=dtype).reshape(shape)
