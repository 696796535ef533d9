"""Compiled for TPUs that are not here: that it compiles at all, what it holds, and what the plan makes of it."""

from __future__ import annotations

import importlib.util
import math
import os
import re
from typing import Any

import jax
import pytest

from coda_eval.config import MeshConfig, SamplerConfig
from coda_eval.models.abstract import abstract_model
from coda_eval.models.families import family_of
from coda_eval.models.random_checkpoint import resize
from coda_eval.models.shapes import find_shape
from coda_eval.models.sharding import make_mesh, sharding_rule
from coda_eval.models.special_tokens import SpecialTokens
from coda_eval.plan.compiling import DoesNotFit, compile_for, tpu_devices
from coda_eval.plan.hardware import CHIPS, find_topology
from coda_eval.plan.layout import compiled_forward_flops
from coda_eval.plan.plan import Question, make_plan
from coda_eval.plan.roofline import Forward, cost_of
from coda_eval.samplers.sampler import Sampler

COMPILER = importlib.util.find_spec("libtpu")
pytestmark = [
    pytest.mark.tpu,
    pytest.mark.skipif(
        COMPILER is None and not os.environ.get("CODA_EVAL_REQUIRE_TPU"),
        reason="libtpu is not installed (pip install 'coda-eval[tpu]')",
    ),
]
ROWS, WIDTH, NEW = 16, 128, 256
BLOCKS = {"block_length": 32, "cache": "dual", "threshold": 0.9}
SEVERAL: dict[str, tuple[str, str, dict[str, Any]]] = {
    "CoDA": ("coda-1.7b", "bfloat16", {"temperature": 0.1, "top_p": 0.9}),
    "Gemma 3 in int8": ("gemma-3-1b", "int8", {}),
    "Dream": ("dream-7b", "bfloat16", BLOCKS),
    "LLaDA in int8": ("llada-8b", "int8", {**BLOCKS, "cache": "prefix"}),
    "Qwen3": ("qwen3-1.7b", "bfloat16", {}),
}


@pytest.mark.parametrize(
    "kind",
    [name if number < 2 else pytest.param(name, marks=pytest.mark.exhaustive) for number, name in enumerate(SEVERAL)],
)
def test_the_loop_gathers_no_logits_and_asks_no_host(kind: str) -> None:
    """A family in small on four chips, two of which share the model: half of the rows and of the vocabulary each."""
    name, dtype, how = SEVERAL[kind]
    mesh = make_mesh(MeshConfig(data=2, model=2), tpu_devices(find_topology("v5e:2x2")))
    shape = resize(find_shape(name), layers=2, hidden=512, vocabulary=32768)
    model = abstract_model(
        shape.architecture,
        family_of(shape.config),
        SpecialTokens(mask_id=1, pad_id=0, stop_ids=(2,)),
        dtype=dtype,
        sharding=sharding_rule(mesh),
        platform="tpu",
    )
    config = SamplerConfig(max_new_tokens=NEW, batch_size=ROWS, **how)
    text = compile_for(Sampler(model, config, width=WIDTH, mesh=mesh).lower()).as_text()
    assert text is not None
    largest = max(math.prod(map(int, sides.split(","))) for sides in re.findall(r"\[([0-9,]+)\]", text))
    assert largest < ROWS // 2 * NEW * shape.architecture.vocab_size // 4
    assert not re.findall(r"\b(?:infeed|outfeed|send|recv)\(|xla_ffi_python|callback", text)
    gathered = [
        math.prod(map(int, sides.split(",")))
        for result in re.findall(r"= (.*?) all-gather(?:-start)?\(", text)
        for sides in re.findall(r"\[([0-9,]+)\]", result)
    ]
    # The most that is brought together are the 64 best tokens of each of the 8 parts, of every candidate; half of the
    # head would be four times as much.
    assert max(gathered, default=0) <= ROWS // 2 * NEW * 8 * 64
    # A kernel needs whole groups of heads on each chip; Gemma and Dream in small have one key/value head.
    assert ("splash" in text) == (shape.architecture.num_kv_heads > 1)


def test_the_compiler_counts_what_the_formula_counts() -> None:
    """Within five in a hundred: the rest is norms, RoPE and softmax."""
    mesh = make_mesh(MeshConfig(), tpu_devices(find_topology("v5e:1x1")))
    shape = resize(find_shape("coda-1.7b"), layers=4)
    model = abstract_model(
        shape.architecture,
        family_of(shape.config),
        SpecialTokens(mask_id=1, pad_id=0, stop_ids=(2,)),
        dtype="bfloat16",
        sharding=sharding_rule(mesh),
    )
    forward = Forward(rows=2, columns=512, seen=512, candidates=0, cache="none")
    analytic = cost_of(forward, shape.architecture, CHIPS["v5e"], mesh=MeshConfig(), dtype="bfloat16").layers_flops
    assert compiled_forward_flops(model, mesh, rows=2, length=512) == pytest.approx(analytic, rel=0.05)


def test_an_embedded_model_fits_on_a_chip() -> None:
    """Its weights and its cache are where the plan says."""
    sampler = SamplerConfig(max_new_tokens=64, block_length=32, cache="dual", batch_size=8)
    plan = make_plan(Question(model="coda-tiny", topology="v5e:1x1", sampler=sampler, prompt_width=64))
    assert plan.memory.fits
    assert not plan.memory.estimated
    assert 0 <= plan.memory.other_arguments < 2**20
    assert plan.memory.cache > 0


def test_a_program_that_is_too_large_says_by_how_much() -> None:
    """What the compiler says is read: what it needs, and what a chip has."""
    (device,) = tpu_devices(find_topology("v5e:1x1"))
    everywhere = jax.sharding.SingleDeviceSharding(device)
    large = jax.ShapeDtypeStruct((5 * 2**30,), "float32", sharding=everywhere)
    with pytest.raises(DoesNotFit) as caught:
        compile_for(jax.jit(lambda x: x + 1).lower(large))
    assert caught.value.needed > caught.value.available > 15 * 2**30


def test_every_topology_exists() -> None:
    """The compiler knows each of the table, with as many chips."""
    for kind, chip in CHIPS.items():
        for shape in chip.topologies if chip.is_tpu else ():
            topology = find_topology(f"{kind}:{shape}")
            assert len(tpu_devices(topology)) == topology.chips
