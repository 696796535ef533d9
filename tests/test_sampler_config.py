"""Sampler settings that are refused, before anything is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from coda_eval.config import SamplerConfig
from coda_eval.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.0}, "--threshold is 0.0; it must be above 0 and at most 1"),
        ({"threshold": 1.5}, "--threshold is 1.5; it must be above 0 and at most 1"),
        ({"steps": 0}, "--steps is 0; it must be at least 1"),
        ({"factor": 0.0}, "--factor is 0.0; it must be above 0"),
        ({"entropy_bound": -1.0}, "--entropy-bound is -1.0; it must be 0"),
        ({"threshold": 0.9, "factor": 1.0}, "--threshold and --factor are given; choose one"),
        ({"block_length": 0}, "--block-length is 0"),
        ({"block_length": 64, "max_new_tokens": 32}, "--block-length is 64, longer than --max-new-tokens 32"),
        ({"algorithm": "origin", "threshold": 0.9}, "--threshold goes by confidence, --algorithm is origin"),
        ({"algorithm": "random", "factor": 1.0}, "--factor goes by confidence, --algorithm is random"),
        ({"algorithm": "topk_margin", "entropy_bound": 1.0}, "--entropy-bound goes by confidence"),
        ({"algorithm": "origin", "alg_temp": 0.5}, "--alg-temp 0.5 has no meaning for --algorithm origin"),
        ({"threshold": 0.9, "alg_temp": 0.5}, "--alg-temp 0.5 has no meaning for --threshold"),
        ({"algorithm": "hierarchy"}, "--algorithm hierarchy needs a --threshold"),
        ({"cache": "all"}, "--cache is 'all'; choose one of none, prefix"),
        ({"refresh_every": 0}, "--refresh-every is 0"),
        ({"vicinity": -1}, "--vicinity is -1"),
        ({"algorithm": "autoregressive", "cache": "dual"}, "--cache is dual; autoregressive decoding uses `prefix`"),
        ({"join_at": 0.1}, "--join-at 0.1 fills several blocks .* needs --block-length and one of"),
        ({"join_at": 2.0}, "--join-at is 2.0; it must be above 0 and at most 1"),
        (
            {"join_at": 0.1, "block_length": 8, "threshold": 0.9, "cache": "dual"},
            "--cache is dual, and --join-at fills several blocks at once",
        ),
        ({"end_of_text": "never"}, "--end-of-text is 'never'; choose one of free, forbid, last"),
        ({"reference": "dream"}, "--reference is 'dream'; choose one of coda"),
        ({"reference": "coda", "cache": "dual"}, "--reference coda decodes the whole canvas"),
        ({"reference": "fast-dllm-dream"}, "--reference fast-dllm-dream needs --cache prefix or dual"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(settings: dict[str, Any], message: str) -> None:
    """With the option's name, what it is, and what it should be."""
    with pytest.raises(ConfigError, match=message) as error:
        SamplerConfig(**settings)
    assert "\n" not in str(error.value)
