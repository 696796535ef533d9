"""The table of published sizes."""

from __future__ import annotations

import pytest

from coda_eval.errors import ConfigError
from coda_eval.models.families import FAMILIES
from coda_eval.models.shapes import SHAPES, find_shape

PARAMETERS = {
    "coda-1.7b": 2_031_739_904,  # 1.7 billion and a head of its own
    "dream-7b": 7_615_616_512,
    "llada-8b": 8_015_581_184,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "qwen2.5-coder-0.5b": 494_032_768,
    "qwen2.5-coder-1.5b": 1_543_714_304,
    "qwen2.5-coder-3b": 3_085_938_688,
    "qwen2.5-coder-7b": 7_615_616_512,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "gemma-3-1b": 999_885_952,
}
"""As the hub counts them."""


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_have_the_published_number_of_parameters(name: str) -> None:
    """To the last one."""
    assert find_shape(name).architecture.num_parameters == PARAMETERS[name]


def test_every_family_has_a_shape() -> None:
    """But the one that only wraps another."""
    assert {shape.config["model_type"] for shape in SHAPES.values()} == FAMILIES.keys() - {"gemma3"}


def test_an_unknown_shape_lists_the_known_ones() -> None:
    """In one line."""
    with pytest.raises(ConfigError, match=r"no published shape is called 'qwen4'; there are coda-1\.7b, dream-7b"):
        find_shape("qwen4")
