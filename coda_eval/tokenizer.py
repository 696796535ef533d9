"""Text to ids and back, with the checkpoint's own tokenizer."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from coda_eval.errors import CheckpointError

_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer.model", "tokenizer_config.json")


class Tokenizer:
    """The tokenizer of a checkpoint directory."""

    def __init__(self, directory: Path) -> None:
        """Reads the directory.

        Raises:
            CheckpointError: it has no tokenizer, or one that transformers cannot read.
        """
        files = [directory / name for name in _TOKENIZER_FILES if (directory / name).exists()]
        if not any(file.name in ("tokenizer.json", "vocab.json", "tokenizer.model") for file in files):
            raise CheckpointError(f"{directory} has no tokenizer.json; a model directory needs its tokenizer")
        # Here and not above: the import takes a second, and only some commands need it.
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # else it tells of PyTorch, which is not used
        from transformers import AutoTokenizer

        try:
            with warnings.catch_warnings(action="ignore"):  # of fields in config.json that are no business of ours
                self._tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        except Exception as error:  # transformers raises whatever its parsers raise
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise CheckpointError(f"{directory}: the tokenizer cannot be read ({reason}); download it again") from error
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        self.sha256 = digest.hexdigest()
        """One hash over the tokenizer's files."""

    def __len__(self) -> int:
        """How many ids there are, special ones included."""
        return len(self._tokenizer)

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The end-of-text token, where the tokenizer names one."""
        token = self._tokenizer.eos_token_id
        return () if token is None else (int(token),)

    def encode(self, text: str) -> list[int]:
        """Ids of a prompt, with whatever special tokens the tokenizer puts around a text."""
        ids: list[int] = self._tokenizer(text)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens and byte for byte."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
