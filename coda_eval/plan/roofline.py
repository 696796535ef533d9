"""What a forward costs at the least: multiplications, bytes of memory, bytes between chips, and the seconds they take.

Counted are matrix products (two FLOPs a multiplication), weights read once, the cache read and written, and the sums
that chips which share a model exchange. Everything else (norms, activations that leave a chip's fast memory,
selecting) comes on top: the seconds are a floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from coda_eval.config import MeshConfig
from coda_eval.models.architecture import DecoderConfig
from coda_eval.models.assembly import COMPUTE_DTYPES
from coda_eval.plan.hardware import Chip

_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A forward of one group of chips that share a model."""

    rows: int
    columns: int
    """Computed, of each row."""
    seen: int
    """Columns that each of them attends to."""
    candidates: float
    """Positions, of all rows together, to which the head is applied."""
    cache: Literal["none", "filled", "used"]
    """Whether keys and values go to a cache, and those of other columns come from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of a forward."""

    layers_flops: float
    """Of all chips of the group together."""
    head_flops: float
    bytes_per_chip: float
    link_bytes_per_chip: float
    floor_s: float
    bound: str
    """What it waits for: `compute`, `memory` or `links`."""

    @property
    def flops(self) -> float:
        """Of all chips of the group together."""
        return self.layers_flops + self.head_flops


def cost_of(forward: Forward, config: DecoderConfig, chip: Chip, *, mesh: MeshConfig, dtype: str) -> Cost:
    """The least that a forward takes on chips of this kind."""
    tokens = forward.rows * forward.columns
    layers_flops = 2.0 * tokens * layer_weights(config) * config.num_layers
    layers_flops += 4.0 * tokens * forward.seen * config.num_heads * config.head_dim * config.num_layers
    head_flops = 2.0 * forward.candidates * config.hidden_size * config.vocab_size
    size = _BYTES[COMPUTE_DTYPES[dtype]]
    weights = (config.num_layers * layer_weights(config) + config.vocab_size * config.hidden_size) * _BYTES[dtype]
    touched = {"none": 0, "filled": forward.columns, "used": forward.columns + forward.seen}[forward.cache]
    cache = 2.0 * config.num_layers * config.num_kv_heads * config.head_dim * forward.rows * touched * size
    bytes_per_chip = (weights + cache) / mesh.model
    # Two sums over all chips a layer, of the width of the model; in a ring each part but a chip's own goes out twice,
    # and comes in twice.
    exchanged = 2.0 * config.num_layers * tokens * config.hidden_size * size
    link_bytes = exchanged * 4 * (mesh.model - 1) / mesh.model
    seconds = {
        "compute": (layers_flops + head_flops) / mesh.model / chip.flops(dtype),
        "memory": bytes_per_chip / chip.bytes_per_s,
        "links": link_bytes / chip.link_bytes_per_s,
    }
    bound = max(seconds, key=lambda name: seconds[name])
    return Cost(
        layers_flops=layers_flops,
        head_flops=head_flops,
        bytes_per_chip=bytes_per_chip,
        link_bytes_per_chip=link_bytes,
        floor_s=seconds[bound],
        bound=bound,
    )


def layer_weights(config: DecoderConfig) -> int:
    """Numbers in the matrices of one layer."""
    heads = 2 * config.num_heads + 2 * config.num_kv_heads
    return (heads * config.head_dim + 3 * config.intermediate_size) * config.hidden_size


def temporaries_estimate(config: DecoderConfig, *, rows: int, length: int, mesh: MeshConfig, dtype: str) -> float:
    """Bytes a chip that a forward holds at the same time, where no compiler says: a layer's widest moment."""
    size = _BYTES[COMPUTE_DTYPES[dtype]]
    widest = 3 * config.hidden_size + 2 * config.intermediate_size / mesh.model
    head = min(1024, rows * length) * config.vocab_size / mesh.model * 4
    return rows * length * widest * size + head


def cache_bytes(config: DecoderConfig, *, rows: int, length: int, dtype: str) -> float:
    """Keys and values of all layers."""
    per_column = 2.0 * config.num_layers * config.num_kv_heads * config.head_dim
    return per_column * rows * length * _BYTES[COMPUTE_DTYPES[dtype]]
