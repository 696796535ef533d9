"""What the rows of `bench sampler` share: a model with random weights, prompts, and timed runs in turns."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

from coda_eval.config import SamplerConfig
from coda_eval.models.attention_kernels import platform_of
from coda_eval.models.checkpoint import CheckpointModel, load_checkpoint
from coda_eval.models.random_checkpoint import resize, write_random_checkpoint
from coda_eval.models.shapes import Shape, find_shape
from coda_eval.samplers.sampler import Decoded, Request, Sampler

HEAD_SCALE = 4.0
"""Of the head's weights beside random ones: distributions with some peak, as trained models have, and entropies that
differ by more than rounding."""

SMALL = {
    "num_hidden_layers": 4,
    "hidden_size": 512,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "intermediate_size": 1536,
}
"""168 million parameters with CoDA's vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerRow:
    """One claim, with the figures that it rests on."""

    name: str
    about: str
    ours_s: tuple[float, ...]
    """Seconds of each round; empty where no time is measured."""
    peer: str
    peer_s: tuple[float, ...]
    facts: Mapping[str, Any]

    @property
    def ratio(self) -> float | None:
        """How many times faster, by the medians."""
        if not self.ours_s or not self.peer_s:
            return None
        return statistics.median(self.peer_s) / statistics.median(self.ours_s)


def shape_of(name: str) -> Shape:
    """`small`, `tiny` (to see that a row runs), or a published shape by name."""
    if name not in ("small", "tiny"):
        return find_shape(name)
    coda = find_shape("coda-1.7b")
    small = dataclasses.replace(coda, config={**coda.config, **SMALL})
    return small if name == "small" else resize(small, layers=1, hidden=64, vocabulary=512)


def random_model(shape: Shape, directory: Path, *, dtype: str, head_scale: float = HEAD_SCALE) -> CheckpointModel:
    """Writes a checkpoint with random weights, and loads it; it never ends a text by itself."""
    write_random_checkpoint(shape, directory, dtype="float32" if dtype == "float32" else "bfloat16", seed=0)
    for file in directory.glob("model*.safetensors"):
        tensors = load_file(file)
        if "lm_head.weight" in tensors:
            tensors["lm_head.weight"] = (tensors["lm_head.weight"] * np.float32(head_scale)).astype(
                tensors["lm_head.weight"].dtype
            )
            save_file(tensors, file, metadata={"format": "pt"})
    model = load_checkpoint(directory, dtype=dtype, platform=platform_of(jax.local_devices()[0]))
    model.stop_ids = ()
    return model


def requests_for(model: CheckpointModel, *, batch: int, prompt: int) -> list[Request]:
    """Prompts of random tokens."""
    ids = np.random.default_rng(1).integers(0, min(1000, model.config.vocab_size // 2), (batch, prompt))
    return [Request(prompt=row.tolist(), problem="bench", sample=index) for index, row in enumerate(ids)]


class Timed:
    """A sampler on one batch, compiled."""

    def __init__(self, model: CheckpointModel, config: SamplerConfig, requests: Sequence[Request]) -> None:
        """Compilation is timed apart."""
        width = len(requests[0].prompt)
        self.sampler = Sampler(model, dataclasses.replace(config, batch_size=len(requests)), width=width)
        self.compile_s = self.sampler.compile()
        self._requests = requests
        self.decoded: Decoded | None = None

    def __call__(self) -> float:
        """Seconds of one decoding."""
        self.decoded = self.sampler.decode(self._requests)
        return self.decoded.seconds

    @property
    def forwards(self) -> int:
        """Of the last decoding, over all columns and over windows, the most of any row."""
        assert self.decoded is not None
        return max(each.forwards + each.window_forwards for each in self.decoded.completions)


def in_turns(sides: Sequence[Callable[[], float]], rounds: int) -> list[tuple[float, ...]]:
    """Seconds of each side in each round; whatever else the machine does meets all of them."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, mine in zip(sides, times, strict=True):
            mine.append(side())
    return [tuple(mine) for mine in times]
