"""How long loading a checkpoint takes, beside reading its files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import jax

from coda_eval.bench.decoding import SamplerRow, in_turns
from coda_eval.models.checkpoint import load_checkpoint
from coda_eval.models.tensors import weight_files


def loading_rows(directory: Path, *, dtype: str, rounds: int) -> Iterator[SamplerRow]:
    """With the files in the page cache, and from the disk where the system can be asked to forget them.

    Reading is `Path.read_bytes` of every file, all of them held: like loading, it fills fresh memory of its own.
    """
    files = weight_files(directory)
    gigabytes = sum(file.stat().st_size for file in files) / 1e9

    def read() -> float:
        start = time.perf_counter()
        contents = [file.read_bytes() for file in files]
        seconds = time.perf_counter() - start
        del contents
        return seconds

    def load() -> float:
        start = time.perf_counter()
        jax.block_until_ready(load_checkpoint(directory, dtype=dtype).parameters)
        return time.perf_counter() - start

    def cold_read() -> float:
        _forget(files)
        return read()

    def cold_load() -> float:
        _forget(files)
        return load()

    read()
    sides = {"warm": (load, read)}
    if hasattr(os, "posix_fadvise"):
        sides["cold"] = (cold_load, cold_read)
    for name, pair in sides.items():
        ours_s, peer_s = in_turns(pair, rounds)
        yield SamplerRow(
            name=name,
            about=f"{gigabytes:.2f} GB of files, loaded as {dtype}",
            ours_s=ours_s,
            peer="reading the files",
            peer_s=peer_s,
            facts={"first_load_s": round(ours_s[0], 3)},
        )


def _forget(files: list[Path]) -> None:
    """Asks the system to drop the files from its page cache."""
    for file in files:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())  # what is not written yet is not dropped
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
