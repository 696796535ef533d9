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
    )
    return name, chip


# Read on 2026-11-22. Cloud TPU's pages give the links of a chip in both directions together; where versions of a page
# differ in rounding (800 and 819 GB/s for v5e, 1600 and 1640 for v6e), it is the finer figure. NVIDIA's rates are those
# of dense matrices, half of what its data sheets print with sparsity; `float32` there is that of the vector units.
CHIPS: dict[str, Chip] = dict(
    [
        # docs.cloud.google.com/tpu/docs/v4; links: six of 50 GB/s each way (Jouppi et al., 2023, arXiv 2304.01433)
        _tpu("v4", 32, 1200, 275, 600, "2x2x1 2x2x2 2x2x4 2x4x4 4x4x4"),
        # docs.cloud.google.com/tpu/docs/v5e
        _tpu("v5e", 16, 819, 197, 400, "1x1 2x2 2x4 4x4 4x8 8x8 8x16 16x16"),
        # docs.cloud.google.com/tpu/docs/v5p
        _tpu("v5p", 95, 2765, 459, 1200, "2x2x1 2x2x2 2x2x4 2x4x4 4x4x4"),
        # docs.cloud.google.com/tpu/docs/v6e
        _tpu("v6e", 32, 1640, 918, 800, "1x1 2x2 2x4 4x4 4x8 8x8 8x16 16x16"),
        # NVIDIA A100 data sheet (1758950), SXM of 80 GB: as quoted at glennklockwood.com/garden/processors/a100
        _gpu("a100", 80, 2039, 312, 19.5, 600),
        # NVIDIA H100 data sheet, SXM5: as quoted at glennklockwood.com/garden/processors/h100
        _gpu("h100", 80, 3350, 989, 67, 900),
        # NVIDIA H200 data sheet, SXM5: an H100 with more and faster memory, same place
        _gpu("h200", 141, 4800, 989, 67, 900),
        # NVIDIA L4 data sheet, PCIe 4.0 x16 (32 GB/s each way): 242 TFLOPS with sparsity
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
