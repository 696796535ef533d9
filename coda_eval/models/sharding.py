"""How a decoder is laid out on several devices: one table from the letters of its parameters to the axes of a mesh.

The mesh has two axes. Along `data` every device has all weights and rows of its own; along `model` the heads, the
feed-forward width and the vocabulary are shared out (Megatron-LM, arXiv 1909.08053): two sums a layer cross devices.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from coda_eval.config import MeshConfig
from coda_eval.errors import ConfigError
from coda_eval.models.architecture import vocabulary_parts
from coda_eval.models.assembly import ShardingRule

DATA = "data"
MODEL = "model"

MESH_AXES = {"n": MODEL, "k": MODEL, "f": MODEL, "v": MODEL, "d": None, "h": None}
"""By the letters that a parameter's name ends in: query heads, key/value heads, feed-forward width, vocabulary, model
width, head width."""


def make_mesh(config: MeshConfig, devices: Sequence[jax.Device]) -> Mesh:
    """The first `data * model` of the devices as a mesh.

    Raises:
        ConfigError: there are fewer, or some would be left over unevenly.
    """
    if len(devices) % config.size:
        raise ConfigError(
            f"--mesh {config} takes {config.size} devices, and {len(devices)} are here; "
            f"its product must be one of {', '.join(map(str, _divisors(len(devices))))}"
        )
    return jax.make_mesh(
        (config.data, config.model), (DATA, MODEL), (AxisType.Auto, AxisType.Auto), devices=devices[: config.size]
    )


def sharding_rule(mesh: Mesh | AbstractMesh) -> ShardingRule:
    """Where each parameter of a decoder lives on a mesh.

    An axis that its devices do not divide is whole on each of them: key/value heads fewer than devices, above all.
    """

    def rule(path: str, shape: tuple[int, ...]) -> NamedSharding:
        return NamedSharding(mesh, partition(path, shape, model=mesh.shape[MODEL]))

    return rule


def partition(path: str, shape: tuple[int, ...], *, model: int) -> PartitionSpec:
    """The axes of the mesh that the axes of a parameter are cut along.

    Args:
        path: dotted, as in `Decoder`; `.scales` behind it for those of an int8 one, which lack the axes summed over.
        shape: layers first where it is stacked.
        model: how many devices share the model.
    """
    stacked = path.startswith("layers.")
    _, underscore, letters = path.removesuffix(".scales").rpartition(".")[2].rpartition("_")
    letters = letters if underscore else ""  # norms have no letters, and are whole everywhere
    axes: list[str | None] = [None] * stacked
    for letter, size in zip(letters, shape[stacked:], strict=False):
        whole_units = vocabulary_parts(size) if letter == "v" else size
        axes.append(MESH_AXES[letter] if whole_units % model == 0 else None)
    return PartitionSpec(*axes)


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]
