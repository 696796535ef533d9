"""The tail of what a program prints."""

from __future__ import annotations

from coda_sandbox.output import LIMIT, OutputTail
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.binary(max_size=3 * LIMIT), max_size=6))
def test_the_last_bytes_are_kept(writes: list[bytes]) -> None:
    """Whatever the sizes of the writes."""
    tail = OutputTail()
    for data in writes:
        tail.write(data)
    assert tail.text() == b"".join(writes)[-LIMIT:].decode("utf-8", "replace")


def test_a_program_finds_nothing_of_the_one_before() -> None:
    """Cleared, it is empty."""
    tail = OutputTail()
    tail.write(b"x" * LIMIT)
    tail.clear()
    assert tail.text() == ""
