"""Text to ids and back, with the checkpoint's own tokenizer."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coda_eval.errors import CheckpointError

_VOCABULARY_FILES = ("tokenizer.json", "vocab.json", "tokenizer.model")
_FILES = (*_VOCABULARY_FILES, "merges.txt", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json")
_TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")
_COPIES = {"DreamTokenizer": "Qwen2Tokenizer"}
"""Tokenizers that checkpoints bring as code, and those of transformers that they are copies of."""


class Tokenizer:
    """The tokenizer of a checkpoint directory."""

    def __init__(self, directory: Path) -> None:
        """Reads the directory.

        Raises:
            CheckpointError: it has no tokenizer, or one that transformers cannot read.
        """
        self.files = [directory / name for name in (*_FILES, *_TEMPLATE_FILES) if (directory / name).exists()]
        """That decide how it works, and are hashed."""
        if not any(file.name in _VOCABULARY_FILES for file in self.files):
            raise CheckpointError(f"{directory} has no tokenizer.json; a model directory needs its tokenizer")
        try:
            self._tokenizer = _load(directory)
        except CheckpointError:
            raise
        except Exception as error:  # transformers raises whatever its parsers raise
            raise CheckpointError(
                f"{directory}: the tokenizer cannot be read ({_reason(error)}); download it again"
            ) from error
        digest = hashlib.sha256()
        for file in self.files:
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

    @property
    def mask_id(self) -> int | None:
        """The mask token, where the tokenizer names one."""
        token = self._tokenizer.mask_token_id
        return None if token is None else int(token)

    def token_id(self, token: str) -> int | None:
        """The id of a token, where the tokenizer has it as one."""
        found = self._tokenizer.get_vocab().get(token)
        return None if found is None else int(found)

    @property
    def chat_template_sha256(self) -> str | None:
        """The hash of the template of an instruct model; None where there is none."""
        template = self._tokenizer.chat_template
        return None if template is None else hashlib.sha256(template.encode()).hexdigest()

    def describe(self) -> dict[str, object]:
        """What a manifest says of it."""
        return {
            "sha256": self.sha256,
            "ids": len(self),
            "mask_id": self.mask_id,
            "stop_ids": list(self.stop_ids),
            "bos_id": self._tokenizer.bos_token_id,
            "pad_id": self._tokenizer.pad_token_id,
            "chat_template_sha256": self.chat_template_sha256,
        }

    def render_chat(
        self, messages: Sequence[Mapping[str, str]], *, prefill: str = "", enable_thinking: bool | None = None
    ) -> str:
        """The prompt of a conversation that the assistant goes on with, by the checkpoint's own template.

        Args:
            messages: each with `role` and `content`; the last is the user's.
            prefill: how the assistant's answer begins.
            enable_thinking: passed on to templates that know it; the template's own default where it is None.

        Raises:
            CheckpointError: there is no template, or it cannot render these messages.
        """
        if self._tokenizer.chat_template is None:
            raise CheckpointError("the tokenizer has no chat template; ask the model in the base style")
        conversation = [*messages, {"role": "assistant", "content": prefill}] if prefill else [*messages]
        options = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                conversation,
                tokenize=False,
                add_generation_prompt=not prefill,
                continue_final_message=bool(prefill),
                **options,
            )
        except Exception as error:  # templates raise whatever they like
            raise CheckpointError(f"the chat template cannot render the prompt ({_reason(error)})") from error
        if rendered.endswith(prefill):
            return rendered
        # Templates that trim every message (Llama 3, Gemma) would take the newline behind an opened fence.
        if rendered.endswith(prefill.rstrip()):
            return rendered + prefill[len(prefill.rstrip()) :]
        raise CheckpointError(f"the chat template does not keep the beginning of the answer, {prefill!r}")

    def encode(self, text: str) -> list[int]:
        """Ids of a prompt, with the special tokens that the tokenizer puts around a text.

        A rendered chat brings its beginning-of-text token along; it is not added a second time.
        """
        begun = self._tokenizer.bos_token is not None and text.startswith(self._tokenizer.bos_token)
        ids: list[int] = self._tokenizer(text, add_special_tokens=not begun)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens and byte for byte."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def _load(directory: Path) -> Any:
    """By transformers; code that the checkpoint brings is not run."""
    # Here and not above: the import takes a second, and only some commands need it.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # else it tells of PyTorch, which is not used
    import transformers

    file = directory / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    name = "AutoTokenizer"
    if "AutoTokenizer" in (config.get("auto_map") or {}):
        own = str(config.get("tokenizer_class"))
        whole = (directory / "tokenizer.json").exists()
        if not whole and own not in _COPIES:
            raise CheckpointError(
                f"{directory}: its tokenizer is code of its own ({own}), which is never run; put a tokenizer.json "
                "that does the same beside it"
            )
        name = "PreTrainedTokenizerFast" if whole else _COPIES[own]
    with warnings.catch_warnings(action="ignore"):  # of fields in config.json that are no business of ours
        loader = getattr(transformers, name)
        return loader.from_pretrained(directory, local_files_only=True, trust_remote_code=False)


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
