"""Plans by arithmetic, and what is refused; what needs the TPU compiler is in `test_tpu`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from coda_eval.cli.main import commands
from coda_eval.config import MeshConfig, SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.models.shapes import find_shape
from coda_eval.plan.compiling import largest
from coda_eval.plan.forwards import Forwards, forwards_of
from coda_eval.plan.hardware import CHIPS, find_topology
from coda_eval.plan.plan import Question, make_plan
from coda_eval.plan.roofline import Cost, Forward, cost_of


def cost(**changes: Any) -> Cost:
    """Of a full forward of CoDA-1.7B over one row of a thousand columns on an H100."""
    forward: dict[str, Any] = {"rows": 1, "columns": 1000, "seen": 1000, "candidates": 500, "cache": "none"}
    mesh = changes.pop("mesh", MeshConfig())
    dtype = changes.pop("dtype", "bfloat16")
    shape = find_shape("coda-1.7b").architecture
    return cost_of(Forward(**{**forward, **changes}), shape, CHIPS["h100"], mesh=mesh, dtype=dtype)


def test_flops_are_two_a_weight_and_token_and_what_attention_multiplies() -> None:
    """By hand: 28 layers of 50331648 weights, 16 heads of 128, a head of 151936 x 2048."""
    found = cost()
    assert found.layers_flops == 28 * (2 * 1000 * 50331648 + 4 * 1000 * 1000 * 16 * 128)
    assert found.head_flops == 2 * 500 * 151936 * 2048
    assert found.bytes_per_chip == 2 * (28 * 50331648 + 151936 * 2048)
    assert found.link_bytes_per_chip == 0


def test_chips_that_share_a_model_share_its_bytes_and_exchange_sums() -> None:
    """Two sums a layer; each of four chips sends and receives one and a half times each of them."""
    four = cost(mesh=MeshConfig(model=4))
    assert four.bytes_per_chip == cost().bytes_per_chip / 4
    assert four.link_bytes_per_chip == 2 * 28 * (1000 * 2048 * 2) * 3


def test_one_token_waits_for_memory_and_many_for_compute() -> None:
    """The two sides of the roofline."""
    assert cost(columns=1, candidates=1, cache="used").bound == "memory"
    assert cost(rows=64).bound == "compute"
    assert cost(dtype="int8").bytes_per_chip == cost().bytes_per_chip / 2


@pytest.mark.parametrize(
    ("settings", "causal", "expected"),
    [
        ({"steps": 128}, False, Forwards(128, 0, 256, 256)),
        ({}, False, Forwards(256, 0, 256, 256)),
        ({"block_length": 32, "cache": "dual"}, False, Forwards(8, 248, 32, 32)),
        ({"block_length": 32, "cache": "prefix"}, False, Forwards(8, 248, 144, 32)),
        ({"block_length": 32, "cache": "every-n", "refresh_every": 7}, False, Forwards(32, 224, 32, 32)),
        ({}, True, Forwards(1, 255, 1, 1)),
        ({"cache": "none"}, True, Forwards(256, 0, 1, 1)),
    ],
)
def test_forwards_follow_from_the_settings(settings: dict[str, Any], causal: bool, expected: Forwards) -> None:
    """A refresh a block and a window a step, unless nothing is cached."""
    config = SamplerConfig(max_new_tokens=256, **settings)
    found = forwards_of(config, causal=causal, length=512)
    assert found == expected if config.cache else found[:2] == expected[:2]


@given(st.integers(0, 3000), st.integers(1, 3000), st.integers(1, 64))
def test_the_largest_batch_is_found_whatever_the_guess(limit: int, guess: int, start: int) -> None:
    """In a few trials where the guess is right."""
    tried = []

    def fits(rows: int) -> bool:
        tried.append(rows)
        return rows <= limit

    assert largest(fits, start=start, guess=lambda: guess, most=4096) == limit
    assert len(tried) == len({*tried})
    assert len(tried) <= 25
    if guess == limit and start < limit:
        assert len(tried) <= 3
    if abs(guess - limit) <= 1 and start < limit:
        assert len(tried) <= 5


def test_a_plan_for_gpus_is_arithmetic() -> None:
    """It fits, its parts add up, and no forward is faster than its roofline."""
    question = Question(model="dream-7b", topology="h100:1", sampler=SamplerConfig(batch_size=16))
    plan = make_plan(question)
    assert plan.memory.fits
    assert plan.memory.estimated
    assert plan.memory.weights == pytest.approx(2 * 7.6156e9, rel=1e-3)
    assert plan.memory.total <= plan.memory.available
    assert plan.floor_s == pytest.approx(11 * 256 * plan.full.floor_s)
    assert plan.bound == "compute"


def test_the_largest_batch_fits_and_a_row_more_on_each_group_does_not() -> None:
    """Both are in the plan."""
    plan = make_plan(
        Question(model="dream-7b", topology="l4:2", sampler=SamplerConfig(batch_size=1), largest_batch=True)
    )
    assert plan.batch_size % plan.mesh.data == 0
    assert plan.memory.fits
    assert plan.one_more is not None
    assert not plan.one_more.fits


def run(*arguments: str) -> Any:
    """The command's outcome; errors come through."""
    return CliRunner().invoke(commands, ["plan", *arguments])


def test_the_command_prints_one_json_object() -> None:
    """With what a script needs."""
    done = run("--model", "coda-1.7b", "--topology", "h100:2", "--preset", "coda-fast", "--batch-size", "2", "--json")
    found = json.loads(done.stdout)
    assert found["memory"]["fits"] is True
    assert found["mesh"] == "data=2,model=1"
    assert found["window"]["bound"] == "memory"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--topology", "v9:2x2"), r"no topology is called 'v9:2x2'; there are v4:.*v5e:1x1\|2x2.*h100:1"),
        (("--topology", "v5e:3x3"), r"there are v5e:1x1, v5e:2x2"),
        (("--topology", "h100:2", "--mesh", "data=3"), r"--mesh data=3,model=1 takes 3 chips, and h100:2 has 2"),
        (("--topology", "h100:2", "--batch-size", "5"), r"--batch-size is 5, shared out among data=2"),
        (("--topology", "l4:1", "--batch-size", "4096"), r"does not fit on l4:1.*lacks .* GiB of .*--batch-size.*int8"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    """What was found, what there is, what would do."""
    done = run("--model", "coda-1.7b", *arguments)
    assert isinstance(done.exception, ConfigError)
    with pytest.raises(ConfigError, match=message):
        raise done.exception


def test_topologies_count_their_chips() -> None:
    """By the product of their sides."""
    assert [find_topology(name).chips for name in ("v4:2x2x4", "v5e:2x4", "h100:8")] == [16, 8, 8]
