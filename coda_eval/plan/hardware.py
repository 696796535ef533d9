"""Accelerators by name: what a chip has, and the topologies that exist. Data, with the source of each."""

from __future__ import annotations

from dataclasses import dataclass

from coda_eval.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One accelerator, by its maker's data sheet."""

    name: str
    memory_bytes: float
    bytes_per_s: float
    """Of its memory."""
    bf16_flops: float
    """Dense multiplications and additions a second."""
    float32_flops: float
    """The same at full precision: on TPUs six passes of bfloat16 (`Precision.HIGHEST`)."""
    link_bytes_per_s: float
    """To other chips of its kind, out and in together over all its links."""
    topologies: tuple[str, ...]
    source: str

    @property
    def is_tpu(self) -> bool:
        """It can be compiled for."""
        return "x" in self.topologies[0]

    def flops(self, dtype: str) -> float:
        """A second, for weights loaded as `dtype`; int8 weights are multiplied as bfloat16."""
        return self.float32_flops if dtype == "float32" else self.bf16_flops


def _tpu(
    name: str, memory_gib: float, gb_per_s: float, tflops: float, link_gb_per_s: float, topologies: str
) -> tuple[str, Chip]:
    chip = Chip(
        name=f"TPU {name}",
        memory_bytes=memory_gib * 2**30,
        bytes_per_s=gb_per_s * 1e9,
        bf16_flops=tflops * 1e12,
        float32_flops=tflops * 1e12 / 6,
        link_bytes_per_s=link_gb_per_s * 1e9,
        topologies=tuple(topologies.split()),
        source=f"cloud.google.com/tpu/docs/{name}",
    )
    return name, chip


def _gpu(
    name: str, memory_gb: float, gb_per_s: float, tflops: float, float32_tflops: float, link_gb_per_s: float
) -> tuple[str, Chip]:
    chip = Chip(
        name=f"NVIDIA {name.upper()}",
        memory_bytes=memory_gb * 1e9,
        bytes_per_s=gb_per_s * 1e9,
        bf16_flops=tflops * 1e12,
        float32_flops=float32_tflops * 1e12,
        link_bytes_per_s=link_gb_per_s * 1e9,
        topologies=("1", "2", "4", "8"),
        source="NVIDIA's data sheet of the SXM (L4: PCIe) version, dense rates",
    )
    return name, chip


CHIPS: dict[str, Chip] = dict(
    [
        _tpu("v4", 32, 1200, 275, 600, "2x2x1 2x2x2 2x2x4 2x4x4 4x4x4"),
        _tpu("v5e", 16, 819, 197, 400, "1x1 2x2 2x4 4x4 4x8 8x8 8x16 16x16"),
        _tpu("v5p", 95, 2765, 459, 1200, "2x2x1 2x2x2 2x2x4 2x4x4 4x4x4"),
        _tpu("v6e", 32, 1640, 918, 800, "1x1 2x2 2x4 4x4 4x8 8x8 8x16 16x16"),
        _gpu("a100", 80, 2039, 312, 19.5, 600),
        _gpu("h100", 80, 3350, 989, 67, 900),
        _gpu("h200", 141, 4800, 989, 67, 900),
        _gpu("l4", 24, 300, 121, 30.3, 64),
    ]
)


@dataclass(frozen=True, slots=True)
class Topology:
    """Chips that belong together."""

    name: str
    """`v5e:2x4`, `h100:8`."""
    chip: Chip
    chips: int

    @property
    def shape(self) -> str:
        """How the chips are arranged."""
        return self.name.partition(":")[2]


def find_topology(name: str) -> Topology:
    """The topology of a name.

    Raises:
        ConfigError: there is none; the message lists those that there are.
    """
    kind, _, shape = name.partition(":")
    if kind not in CHIPS:
        known = "; ".join(f"{kind}:{'|'.join(chip.topologies)}" for kind, chip in CHIPS.items())
        raise ConfigError(f"no topology is called {name!r}; there are {known}")
    chip = CHIPS[kind]
    if shape not in chip.topologies:
        raise ConfigError(
            f"no topology is called {name!r}; there are {', '.join(f'{kind}:{shape}' for shape in chip.topologies)}"
        )
    chips = 1
    for side in shape.split("x"):
        chips *= int(side)
    return Topology(name, chip, chips)
