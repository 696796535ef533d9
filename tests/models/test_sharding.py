"""Where parameters live on a mesh."""

from __future__ import annotations

import jax
import pytest
from jax.sharding import PartitionSpec

from coda_eval.config import MeshConfig
from coda_eval.errors import ConfigError
from coda_eval.models.sharding import make_mesh, partition


@pytest.mark.parametrize(
    ("path", "shape", "model", "expected"),
    [
        ("layers.attention.q_nhd", (28, 16, 128, 2048), 4, (None, "model", None, None)),
        ("layers.attention.o_dnh", (28, 2048, 16, 128), 4, (None, None, "model", None)),
        ("layers.attention.k_khd", (28, 4, 128, 3584), 4, (None, "model", None, None)),
        ("layers.attention.k_khd", (28, 4, 128, 3584), 8, (None, None, None, None)),  # four heads on eight devices
        ("layers.attention.q_bias_nh", (28, 28, 128), 4, (None, "model", None)),
        ("layers.feed_forward.gate_fd", (28, 6144, 2048), 8, (None, "model", None)),
        ("layers.feed_forward.down_df", (28, 2048, 6144), 8, (None, None, "model")),
        ("layers.feed_forward.down_df.scales", (28, 2048), 8, (None, None)),
        ("layers.attention.q_nhd.scales", (28, 16, 128), 8, (None, "model", None)),
        ("layers.attention.q_norm.scale", (28, 128), 4, (None,)),
        ("layers.attention_norm.scale", (28, 2048), 4, (None,)),
        ("final_norm.scale", (2048,), 4, ()),
        ("head_vd", (151936, 2048), 8, ("model", None)),
        ("embed_vd", (126464, 4096), 2, ("model", None)),
        ("embed_vd", (512, 64), 2, (None, None)),  # a small vocabulary is whole everywhere
    ],
)
def test_an_axis_is_cut_where_its_letter_says_so_and_the_devices_divide_it(
    path: str, shape: tuple[int, ...], model: int, expected: tuple[str | None, ...]
) -> None:
    """Heads, feed-forward width and vocabulary; everything else is whole on each device."""
    assert partition(path, shape, model=model) == PartitionSpec(*expected)


def test_a_mesh_takes_a_divisor_of_the_devices() -> None:
    """The message has both numbers and those that would do."""
    assert dict(make_mesh(MeshConfig(data=2, model=2), jax.devices()).shape) == {"data": 2, "model": 2}
    with pytest.raises(ConfigError, match=r"data=3,model=1 takes 3 devices, and 8 are here.* 1, 2, 4, 8"):
        make_mesh(MeshConfig(data=3), jax.devices())


@pytest.mark.parametrize("text", ["", "4", "data=", "data=4;model=2", "rows=2", "data=2,data=2", "data=-1", "model=x"])
def test_a_mesh_of_another_form_is_refused(text: str) -> None:
    """With the form that is meant."""
    with pytest.raises(ConfigError, match="data=4,model=2"):
        MeshConfig.parse(text)


def test_what_a_mesh_leaves_out_is_one() -> None:
    """Either axis."""
    assert MeshConfig.parse("model=2") == MeshConfig(data=1, model=2)
    assert MeshConfig.parse(" data=4 , model=2 ") == MeshConfig(data=4, model=2)
    with pytest.raises(ConfigError, match="at least 1"):
        MeshConfig.parse("data=0")
