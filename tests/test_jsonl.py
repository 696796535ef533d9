"""JSON lines on disk."""

import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coda_eval.jsonl import LineError, decode_rows, encode_row, read_content

ANY_TEXT = st.text(st.characters())  # lone surrogates, NULs and all separators included


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers() | st.none(), max_size=4))
def test_any_text_survives_on_one_ascii_line(row: dict[str, object]) -> None:
    line = encode_row(row)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert [decoded.fields for decoded in decode_rows(io.BytesIO(line))] == [row]


def test_keys_are_sorted() -> None:
    assert encode_row({"b": 1, "a": 2}) == b'{"a": 2, "b": 1}\n'


def test_a_number_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_row({"value": float("nan")})


def test_blank_lines_are_passed_over_and_counted() -> None:
    assert [row.number for row in decode_rows([b'{"a": 1}\r\n', b"  \r\n", b'{"a": 2}'])] == [1, 3]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert [row.fields for row in decode_rows([b'\xef\xbb\xbf{"a": 1}\n'])] == [{"a": 1}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"a": "b\n', r"line 2 is not JSON \(Unterminated string starting at column 7\)"),
        (b"[1, 2]", "line 2 is of type list; expected a JSON object"),
        (b'{"a": "\xff"}', "line 2 is not UTF-8 .*0xff at column 8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "line 2 is not JSON that can be read"),
        (b"[" * 200_000, "line 2 is not JSON that can be read"),
    ],
    ids=["torn", "array", "latin-1", "huge integer", "deep"],
)
def test_a_bad_line_is_named(line: bytes, message: str) -> None:
    with pytest.raises(LineError, match=message):
        list(decode_rows([b'{"a": 1}\n', line]))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_compression_is_recognized_by_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    assert read_content(path) == b'{"a": 1}\n'


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:12] + b"\xff" * 8 + data[20:]])
def test_damaged_compression_is_an_error(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "rows.jsonl.gz"
    whole = gzip.compress(json.dumps(list(range(500))).encode())
    path.write_bytes(damage(whole))  # type: ignore[operator]
    with pytest.raises(OSError, match=r"damaged gzip data|CRC"):
        read_content(path)
