"""Devices that share rows and models give the tokens of one device."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_data import GOLDEN_NAMES, Golden
from jax.sharding import Mesh
from tiny_models import TINY, random_decoder

from coda_eval.config import MeshConfig, SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.models.checkpoint import CheckpointModel, load_checkpoint
from coda_eval.models.families import FAMILIES
from coda_eval.models.linear import Int8Weight
from coda_eval.models.places import parameters_of
from coda_eval.models.sharding import make_mesh, sharding_rule
from coda_eval.models.special_tokens import SpecialTokens
from coda_eval.samplers.sampler import Completion, Request, Sampler

pytestmark = pytest.mark.slow  # every case compiles for one device and for eight
NEW, WIDTH, BATCH = 16, 8, 4
RANDOM = np.random.default_rng(5)
REQUESTS = [
    Request(prompt=RANDOM.integers(5, 20, length).tolist(), problem=f"p{row}", sample=0)
    for row, length in enumerate((3, 8, 5, 6))
]
SAMPLERS: dict[str, dict[str, Any]] = {
    "full": {"temperature": 0.7, "top_p": 0.9, "alg_temp": 0.1},
    "prefix": {"block_length": 8, "cache": "prefix", "threshold": 0.6},
    "dual": {"block_length": 4, "cache": "dual", "factor": 1.0},
    "every-n": {"algorithm": "random", "block_length": 8, "cache": "every-n", "refresh_every": 3},
    "multi-block": {"block_length": 4, "join_at": 0.25, "entropy_bound": 1.0},
}


def mesh_of(text: str) -> Mesh:
    """Of the eight CPU devices."""
    return make_mesh(MeshConfig.parse(text), jax.devices())


def completions(model: CheckpointModel, mesh: Mesh | None, how: dict[str, Any]) -> list[Completion]:
    """Of the four requests."""
    config = SamplerConfig(max_new_tokens=NEW, batch_size=BATCH, **how)
    return Sampler(model, config, width=WIDTH, mesh=mesh).decode(REQUESTS).completions


def assert_same(model: Any, how: dict[str, Any], mesh: Mesh) -> None:
    """`model(mesh)` decodes alike on one device and on the mesh; forwards are counted alike too."""
    assert completions(model(mesh), mesh, how) == completions(model(None), None, how)


@pytest.mark.parametrize("how", SAMPLERS.values(), ids=SAMPLERS)
def test_every_sampler_decodes_alike_on_a_mesh(how: dict[str, Any]) -> None:
    """Two groups of two devices: half of the rows each, half of the heads each."""
    checkpoint = Golden("coda-tiny").directory

    def model(mesh: Mesh | None) -> CheckpointModel:
        return load_checkpoint(checkpoint, sharding=None if mesh is None else sharding_rule(mesh))

    assert_same(model, how, mesh_of("data=2,model=2"))


OFTEN = [("llada-tiny", "float32"), ("gemma3-tiny", "int8")]
SELDOM = sorted({(name, dtype) for name in GOLDEN_NAMES for dtype in ("float32", "int8")} - {*OFTEN})


@pytest.mark.parametrize(
    ("name", "dtype"), [*OFTEN, *(pytest.param(*case, marks=pytest.mark.exhaustive) for case in SELDOM)]
)
def test_every_family_decodes_alike_on_a_mesh(name: str, dtype: str) -> None:
    """More devices share a model than it has key/value heads."""

    def model(mesh: Mesh | None) -> CheckpointModel:
        return float32_model(Golden(name).directory, dtype, mesh)

    causal = model(None).causal
    assert_same(model, {} if causal else {"block_length": 8, "cache": "dual"}, mesh_of("data=2,model=4"))


def float32_model(directory: Path, dtype: str, mesh: Mesh | None) -> CheckpointModel:
    """Its activations are float32 beside int8 weights too: in bfloat16 a sum over devices is rounded otherwise."""
    model = load_checkpoint(directory, dtype=dtype, sharding=None if mesh is None else sharding_rule(mesh))
    decoder = nnx.merge(model._graph, model.parameters)
    for parameter in parameters_of(decoder).values():
        if not isinstance(parameter.get_value(), Int8Weight):
            parameter.set_value(parameter[...].astype(jnp.float32))
    special = SpecialTokens(mask_id=model.fill_id, pad_id=model.pad_id, stop_ids=model.stop_ids)
    return CheckpointModel(decoder, model.config, model.family, special, tokenizer_size=model.config.vocab_size)


@pytest.mark.parametrize("how", [{"temperature": 1.0}, {"temperature": 1.0, "top_p": 0.99}])
def test_a_large_vocabulary_is_shared_and_chosen_from_alike(how: dict[str, Any]) -> None:
    """Draws and nuclei too: no token of the nucleus need be among those of one device. Positions go by chance."""
    config = dataclasses.replace(TINY, vocab_size=16384)
    special = SpecialTokens(mask_id=3, pad_id=0, stop_ids=(1,))

    def model(mesh: Mesh | None) -> CheckpointModel:
        decoder = random_decoder(config)
        # Peaked, so that a draw does not hang on the last bit of a sum over shards.
        decoder.head_vd.set_value(decoder.head_vd[...] * 40)
        for path, parameter in parameters_of(decoder).items():
            if mesh is not None:
                parameter.set_value(jax.device_put(parameter[...], sharding_rule(mesh)(path, parameter.shape)))
        return CheckpointModel(decoder, config, FAMILIES["CoDA"], special, tokenizer_size=config.vocab_size)

    assert_same(model, {"algorithm": "random", **how}, mesh_of("data=2,model=4"))


def test_a_batch_that_the_groups_cannot_share_is_an_error() -> None:
    """It says what would do."""
    model = load_checkpoint(Golden("coda-tiny").directory)
    with pytest.raises(ConfigError, match=r"--batch-size is 6.*data=4.*a multiple of 4"):
        Sampler(model, SamplerConfig(max_new_tokens=NEW, batch_size=6), width=WIDTH, mesh=mesh_of("data=4"))
