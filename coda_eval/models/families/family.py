"""What a model family is."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.families.fields import HuggingFaceConfig

Tensor = TypeVar("Tensor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the package knows of a `model_type`."""

    name: str
    diffusion: bool
    """Masked diffusion with attention in both directions; else causal and autoregressive."""
    shifted_logits: bool
    """The raw logits at position i predict token i + 1; else token i."""
    read_config: Callable[[HuggingFaceConfig, Collection[str]], DecoderConfig]
    """From `config.json` and the names of the tensors that are there."""
    weights: Mapping[str, str]
    """From the dotted path of a parameter in `Decoder` to the name of its tensor; `{layer}` is the layer's number.
    Parameters that a configuration does not have (a tied head, say) have no tensor."""
    stop_tokens: tuple[str, ...]
    """Tokens that end a text or a turn. Those that the checkpoint's tokenizer has are added to its own."""
    mask_token: str = ""
    """What the tokenizer calls the mask, where neither it nor the config says which token it is."""
    renamed: tuple[tuple[str, str], ...] = ()
    """Anchored patterns of names, and what to write instead, for checkpoints that hold this model in a larger one."""
    unused: str = r"(?!)"
    """Anchored pattern of the tensors of that larger model that text does not need."""

    def left_out(self, tensors: Collection[str]) -> list[str]:
        """Those of the names that belong to the larger model alone, and are not loaded."""
        return [name for name in tensors if re.fullmatch(self.unused, name)]

    def canonical(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a checkpoint under the names of `weights`.

        Raises:
            CheckpointError: two have the same place.
        """
        found: dict[str, Tensor] = {}
        left_out = set(self.left_out(tensors))
        for stored_name, tensor in tensors.items():
            name = stored_name
            if name in left_out:
                continue
            for pattern, replacement in self.renamed:
                name = re.sub(rf"\A{pattern}", replacement, name)
            if name in found:
                raise CheckpointError(f"tensor {stored_name!r} is there a second time, under another prefix")
            found[name] = tensor
        return found
