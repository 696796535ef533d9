"""Checkpoints in Orbax' format: the decoder's own parameters, as a training in Flax leaves them.

They lie in one subdirectory, beside `config.json` and the tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from coda_eval.errors import CheckpointError
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.decoder import Decoder
from coda_eval.models.places import abstract_decoder, parameters_of

_MARKER = "_CHECKPOINT_METADATA"


def find_orbax(directory: Path) -> Path | None:
    """The subdirectory that holds the parameters, if there is one.

    Raises:
        CheckpointError: there are several.
    """
    found = sorted(marker.parent for marker in directory.glob(f"*/{_MARKER}"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise CheckpointError(f"{directory} holds several Orbax checkpoints ({names}); leave one of them there")
    return found[0] if found else None


def stored_parameters(checkpoint: Path) -> dict[str, jax.ShapeDtypeStruct]:
    """The parameters by dotted path, without their values.

    Raises:
        CheckpointError: Orbax cannot read the checkpoint.
    """
    from orbax.checkpoint import StandardCheckpointer

    try:
        with StandardCheckpointer() as checkpointer:
            tree = checkpointer.metadata(checkpoint.absolute()).item_metadata
            leaves = jax.tree_util.tree_leaves_with_path(dict(tree))
    except Exception as error:  # of whatever its storage raises
        raise _damaged(checkpoint, error) from error
    return {
        ".".join(str(key.key) for key in path): jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for path, leaf in leaves
    }


def find_orbax_problems(stored: Mapping[str, jax.ShapeDtypeStruct], config: DecoderConfig) -> list[str]:
    """What is wrong with the parameters of a checkpoint, a line each: missing, extra, misshapen."""
    expected = {
        path: tuple(parameter.shape)
        for path, parameter in parameters_of(abstract_decoder(config, dtype="float32")).items()
    }
    found = {path: tuple(parameter.shape) for path, parameter in stored.items()}
    return [
        f"parameter {path!r} has shape {found.get(path, 'none: it is missing')}; "
        f"config.json asks for {expected.get(path, 'no such parameter')}"
        for path in sorted(expected.keys() | found.keys())
        if expected.get(path) != found.get(path)
    ]


def load_orbax(checkpoint: Path, config: DecoderConfig, *, dtype: str) -> Decoder:
    """The decoder with the parameters of a checkpoint, cast to `dtype`.

    Raises:
        CheckpointError: a parameter is missing, extra or misshapen, or the checkpoint is damaged.
    """
    from orbax.checkpoint import StandardCheckpointer

    if dtype == "int8":
        raise CheckpointError(f"{checkpoint}: --dtype int8 needs safetensors files; choose float32 or bfloat16")
    decoder = abstract_decoder(config, dtype=dtype)
    if problems := find_orbax_problems(stored_parameters(checkpoint), config):
        raise CheckpointError(f"{checkpoint}: {problems[0]}")
    abstract: dict[str, Any] = nnx.to_pure_dict(nnx.state(decoder))
    try:
        with StandardCheckpointer() as checkpointer:
            values = checkpointer.restore(checkpoint.absolute(), abstract)
    except Exception as error:
        raise _damaged(checkpoint, error) from error
    nnx.update(decoder, values)
    return decoder


def save_orbax(decoder: Decoder, checkpoint: Path) -> None:
    """Writes the parameters of a decoder into a directory that is not there yet."""
    from orbax.checkpoint import StandardCheckpointer

    with StandardCheckpointer() as checkpointer:
        checkpointer.save(checkpoint.absolute(), nnx.to_pure_dict(nnx.state(decoder)))


def _damaged(checkpoint: Path, error: Exception) -> CheckpointError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return CheckpointError(f"{checkpoint}: not a whole Orbax checkpoint ({reason}); save it again")
