"""Length-prefixed messages on a file descriptor: four bytes, big-endian, then so many bytes."""

import os
import struct

LENGTH = struct.Struct(">I")
_CHUNK = 1 << 20


class ChannelClosed(Exception):
    """The other end is closed, or was closed within a frame."""


class FrameTooLarge(Exception):
    """The announced length exceeds the limit; the rest of the channel is unusable."""


def pack(payload: bytes) -> bytes:
    """The frame that carries `payload`."""
    return LENGTH.pack(len(payload)) + payload


def write_frame(fd: int, payload: bytes) -> None:
    """Write one frame, however many system calls it takes.

    Raises:
        ChannelClosed: nobody can read it any more.
    """
    view = memoryview(pack(payload))
    try:
        while view:
            view = view[os.write(fd, view) :]
    except (BrokenPipeError, ConnectionResetError) as error:
        raise ChannelClosed from error


def read_frame(fd: int, limit: int) -> bytes:
    """Read one frame of at most `limit` bytes.

    Raises:
        ChannelClosed: end of file, also within a frame.
        FrameTooLarge: the frame announces more than `limit` bytes; none of them was read.
    """
    (length,) = LENGTH.unpack(_read_exactly(fd, LENGTH.size))
    if length > limit:
        raise FrameTooLarge(f"a frame of {length} bytes, at most {limit} are allowed")
    return _read_exactly(fd, length)


def _read_exactly(fd: int, count: int) -> bytes:
    chunks = []
    while count:
        try:
            chunk = os.read(fd, min(count, _CHUNK))
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            raise ChannelClosed
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)
