"""Tensors are read from their files by rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models.checkpoint_files import WEIGHTS, read_tensors

from coda_eval.errors import CheckpointError
from coda_eval.models import tensors
from coda_eval.models.tensors import cut_rows, list_tensors


def test_pieces_are_whole_heads_and_make_up_the_tensor(coda: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a piece may be; a vector is one row."""
    monkeypatch.setattr(tensors, "_PIECE_BYTES", 1)
    expected = read_tensors(coda)
    for name, tensor in list_tensors(coda).items():
        multiple = 16 if len(tensor.shape) == 2 else 1
        pieces = list(cut_rows(tensor, multiple=multiple))
        assert all(piece.first % multiple == 0 for piece in pieces)
        whole = np.concatenate([piece.read() for piece in pieces])
        np.testing.assert_array_equal(whole.reshape(tensor.shape), expected[name], err_msg=name)


def test_a_file_that_shrinks_while_it_is_read_is_named(coda: Path) -> None:
    """The header was checked against a longer file."""
    listed = list_tensors(coda)
    last = max(listed.values(), key=lambda tensor: tensor.offset)
    (coda / WEIGHTS).write_bytes((coda / WEIGHTS).read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=f"{WEIGHTS}: not a whole safetensors file .*{last.name}"):
        [piece.read() for piece in cut_rows(last, multiple=1)]
