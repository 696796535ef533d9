"""The model families, keyed by the `model_type` of a checkpoint's `config.json`.

A family is one row of `FAMILIES`: how its config is read, what its tensors are called, how its logits are aligned, and
which special tokens it has. What the checkpoint's own files say always wins; a switch that the decoder does not have is
an error, never ignored.
"""

from coda_eval.models.families.family import Family
from coda_eval.models.families.fields import HuggingFaceConfig
from coda_eval.models.families.table import FAMILIES, family_of, text_fields

__all__ = ["FAMILIES", "Family", "HuggingFaceConfig", "family_of", "text_fields"]
