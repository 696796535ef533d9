"""From the name that a user gives to the directory that holds the model."""

from __future__ import annotations

import os
from pathlib import Path

from coda_eval.errors import CheckpointError

_CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"

EMBEDDED = {
    "coda-tiny": "masked diffusion, 0.9 million parameters, trained on exercises like those of `mini`",
    "coda-tiny-ar": "autoregressive, the same size and training data",
    "coda-small": "masked diffusion, 3.4 million parameters, the same training data",
}
"""The checkpoints that come with the package."""

_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model")


def embedded_directory(name: str) -> Path:
    """Where an embedded checkpoint lives."""
    return _CHECKPOINTS / name


def resolve_model(reference: str) -> Path:
    """The directory of a model: an embedded name, a local directory, or a hub id, which is downloaded.

    Raises:
        CheckpointError: it is none of them, or the hub does not give it.
    """
    if reference in EMBEDDED:
        return embedded_directory(reference)
    if not reference.strip():
        raise CheckpointError("--model is empty; give an embedded name, a directory or a hub id")
    path = Path(os.path.expanduser(reference))  # noqa: PTH111  # leaves an unknown user's `~name` as it is, and raises nothing
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(f"{reference} is a file; --model takes the directory that holds config.json")
    if reference.count("/") != 1 or reference.startswith((".", "/", "~")):
        raise CheckpointError(
            f"no model {reference!r}: neither a directory nor embedded ({', '.join(EMBEDDED)}) "
            "nor a hub id such as Salesforce/CoDA-v0-Instruct"
        )
    return _download(reference)


def _download(hub_id: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=list(_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"cannot get {hub_id} from the hub ({reason}); download it elsewhere and give its directory to --model"
        ) from error
