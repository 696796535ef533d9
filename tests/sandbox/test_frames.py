"""Frames arrive whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from coda_sandbox import frames


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A reading and a writing end."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue  # the test closed it


@pytest.mark.parametrize("payload", [b"", b"x", b"\x00" * 5000])
def test_a_frame_arrives_as_it_was_sent(pipe: tuple[int, int], payload: bytes) -> None:
    """Also an empty one."""
    frames.write_frame(pipe[1], payload)
    frames.write_frame(pipe[1], b"next")
    assert frames.read_frame(pipe[0], 10_000) == payload
    assert frames.read_frame(pipe[0], 10_000) == b"next"


@pytest.mark.parametrize("sent", [b"", b"\x00\x00", b"\x00\x00\x00\x05abc"])
def test_an_end_within_a_frame_is_a_closed_channel(pipe: tuple[int, int], sent: bytes) -> None:
    """Nothing partial is returned."""
    os.write(pipe[1], sent)
    os.close(pipe[1])
    with pytest.raises(frames.ChannelClosed):
        frames.read_frame(pipe[0], 100)


def test_a_frame_over_the_limit_is_refused_by_its_announcement(pipe: tuple[int, int]) -> None:
    """Before any of it is read."""
    os.write(pipe[1], b"\xff\xff\xff\xff")
    with pytest.raises(frames.FrameTooLarge, match="4294967295 bytes, at most 100"):
        frames.read_frame(pipe[0], 100)


def test_writing_to_nobody_is_a_closed_channel(pipe: tuple[int, int]) -> None:
    """Python ignores SIGPIPE, so the write fails."""
    os.close(pipe[0])
    with pytest.raises(frames.ChannelClosed):
        frames.write_frame(pipe[1], b"x")
