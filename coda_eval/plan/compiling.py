"""The TPU compiler, for chips that are not here."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jax.experimental import topologies
from jax.experimental.compilation_cache import compilation_cache

from coda_eval.errors import ConfigError
from coda_eval.plan.hardware import Topology

_UNITS = {"": 1.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40}
_ENVIRONMENT = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # no chip is taken
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_SIZE = r"([\d.]+)([KMGT]?)"
_OUT_OF_MEMORY = re.compile(
    rf"Used {_SIZE}B? of {_SIZE}B? hbm|required for [^(]*\({_SIZE}B?\) exceeds available HBM \({_SIZE}B?\)"
)
"""The two ways in which the compiler says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Bytes of one chip's memory while the program runs."""

    arguments: int
    """Weights, cache, tokens."""
    temporaries: int
    program: int

    @property
    def total(self) -> int:
        """All of it; what the loop gives back takes the place of what it was given."""
        return self.arguments + self.temporaries + self.program


class DoesNotFit(Exception):
    """The compiler found that the memory of a chip does not hold the program."""

    def __init__(self, needed: float, available: float) -> None:
        super().__init__(f"needs {needed:.0f} bytes, the chip has {available:.0f}")
        self.needed = needed
        self.available = available


def tpu_devices(topology: Topology) -> Sequence[Any]:
    """Stand-ins for the chips of a topology, which can be compiled for.

    Raises:
        ConfigError: the compiler is not installed.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise ConfigError("compiling for TPUs needs libtpu, which is not installed: pip install 'coda-eval[tpu]'")
    # What is compiled for chips that are not here cannot be read back from JAX's cache on disk.
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()
    # It looks for a chip of this machine first, and complains where there is none.
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # A chip of v4 has two cores, which JAX sees as one device.
    options: dict[str, Any] = {"chip_config_name": "megacore"} if topology.name.startswith("v4:") else {}
    if topology.name.endswith(":1x1"):
        options["chips_per_host_bounds"] = [1, 1, 1]  # a host has four unless told otherwise
    described = topologies.get_topology_desc(platform="tpu", topology_name=topology.name, **options)
    return described.devices


def compile_for(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Compiles.

    Raises:
        DoesNotFit: the chips' memory is too small.
    """
    try:
        return lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        found = _OUT_OF_MEMORY.search(str(error))
        if found is None:
            raise
        needed, needed_unit, available, available_unit = (part for part in found.groups() if part is not None)
        raise DoesNotFit(float(needed) * _UNITS[needed_unit], float(available) * _UNITS[available_unit]) from None


def footprint_of(compiled: jax.stages.Compiled) -> Footprint:
    """What the compiler says of a program's memory, on each chip."""
    stats = compiled.memory_analysis()
    assert stats is not None, "the TPU compiler analyses memory"
    return Footprint(
        arguments=stats.argument_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes,
        temporaries=stats.temp_size_in_bytes,
        program=stats.generated_code_size_in_bytes,
    )


def flops_of(compiled: jax.stages.Compiled) -> float:
    """What the compiler counts on each chip; the body of a loop once, however often it runs."""
    analysis = compiled.cost_analysis()
    return float((analysis or {}).get("flops", 0.0))


def largest(fits: Callable[[int], bool], *, start: int, guess: Callable[[], int], most: int) -> int:
    """The largest number up to `most` that fits; 0 where none does.

    Args:
        fits: whether it does; what fits, fits with less too. Called as rarely as the guesses allow.
        start: tried first.
        guess: the largest that should fit, after what was tried; may be wrong.
        most: not tried beyond.
    """
    low, high, trial, step = 0, most + 1, min(start, most), 1
    while high - low > 1:
        if fits(trial):
            low = trial
        else:
            high = trial
        guessed = guess()
        # One beyond the guess once the guess fits.
        trial = guessed + 1 if guessed == low else guessed
        if not low < trial < high:
            # It is hardly ever off by much: near the end that it points to, then twice as far from it each time.
            middle = (low + high) // 2
            trial = max(high - step, middle) if trial >= high else min(low + step, middle)
            step *= 2
    return low
