"""Settings by name."""

from __future__ import annotations

import pytest

from coda_eval.config import SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.presets import PRESETS, preset_settings


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_configuration_with_a_source(name: str) -> None:
    """What `--preset` gives can be decoded with."""
    SamplerConfig(**preset_settings(name))  # type: ignore[arg-type]  # names and kinds are what this tests
    assert PRESETS[name].source


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    """By name."""
    with pytest.raises(ConfigError, match=r"--preset is 'fast'; choose one of coda-paper, coda-fast, .*ar"):
        preset_settings("fast")
