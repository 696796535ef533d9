"""Every run of the reference outputs: equal tokens after every step where the history is there, equal final tokens and
equal numbers of forwards where it is not.

Runs that differ only in the row are decoded as one batch: the references decode one row at a time, and what they give
must come out of any batch.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from golden_data import Golden
from samplers.decoding import WithoutStops, decode_rows, trajectory

from coda_eval.config import SamplerConfig
from coda_eval.models.checkpoint import load_checkpoint

pytestmark = pytest.mark.golden

REFERENCE_TOP_K = 50
"""`golden.json` names no top-k, but the generation configs of CoDA and Dream inherit the default of transformers, 50:
their confidences are those of the 50 best tokens."""
PADDED_KEYS = {"coda-tiny": "padded_entropy", "dream-tiny": "padded_full_entropy"}
CACHES = {"generate": "none", "generate_with_prefix_cache": "prefix", "generate_with_dual_cache": "dual"}


def is_there(golden: Golden) -> bool:
    """The daily copy holds some of the checkpoints only."""
    return (golden.directory / "golden.json").is_file()


@cache
def model_of(golden: Golden) -> WithoutStops:
    """Loaded once."""
    return WithoutStops(load_checkpoint(golden.directory))


def trajectories() -> Iterator[Any]:
    """Runs with a history."""
    for golden in (Golden("coda-tiny"), Golden("dream-tiny")):
        runs = golden.description["runs"] if is_there(golden) else []
        for run in runs:
            if run.get("mode", "full") == "full":
                yield pytest.param(golden, run, id=f"{golden.name}-{run['key']}")


def batches() -> Iterator[Any]:
    """Runs without one, those that differ in the row together."""
    for golden in (Golden("dream-tiny"), Golden("llada-tiny")):
        runs = [run for run in golden.description["runs"] if "row" in run] if is_there(golden) else []

        def settings(run: dict[str, Any]) -> str:
            return json.dumps(
                {k: v for k, v in run.items() if k not in ("key", "row", "nfe", "forwards")}, sort_keys=True
            )

        for _, group in itertools.groupby(sorted(runs, key=settings), key=settings):
            alike = list(group)
            yield pytest.param(golden, alike, id=f"{golden.name}-{alike[0]['key']}")


def block_config(golden: Golden, run: dict[str, Any]) -> SamplerConfig:
    """The reference's settings in our terms."""
    threshold, new = run.get("threshold"), run.get("max_new_tokens", run.get("gen_length"))
    if golden.name == "dream-tiny":
        return SamplerConfig(
            max_new_tokens=new,
            steps=run.get("steps"),
            algorithm="maskgit_plus" if run["alg"] == "confidence_threshold" else run["alg"],
            threshold=threshold,
            block_length=run["block_length"],
            cache=run["cache"],
            top_k=REFERENCE_TOP_K,
            reference="fast-dllm-dream",
        )
    caching = CACHES[run["function"]]
    return SamplerConfig(
        max_new_tokens=new,
        steps=run["steps"] if threshold is None else None,
        algorithm="low_confidence",
        threshold=threshold,
        block_length=run["block_length"],
        cache=caching,
        reference=None if caching == "none" else "fast-dllm-llada",
    )


@pytest.mark.parametrize(("golden", "run"), list(trajectories()))
def test_tokens_equal_the_reference_after_every_step(golden: Golden, run: dict[str, Any]) -> None:
    """A batch of prompts of one length, full canvas."""
    model, prompts = model_of(golden), golden.arrays["input_ids"]
    config = SamplerConfig(
        max_new_tokens=run["max_new_tokens"], steps=run["steps"], algorithm=run["alg"], top_k=REFERENCE_TOP_K
    )
    rows = decode_rows(model, prompts.tolist(), config, width=prompts.shape[1])
    np.testing.assert_array_equal(
        trajectory(rows, steps=run["steps"], fill_id=model.fill_id), golden.arrays[run["key"]]
    )


@pytest.mark.parametrize("golden", [Golden(name) for name in PADDED_KEYS], ids=lambda golden: golden.name)
def test_left_padded_batches_equal_the_reference(golden: Golden) -> None:
    """Dream's padding is invisible; CoDA's evaluation attends to it and counts positions from the first pad."""
    if not is_there(golden):
        pytest.skip(f"{golden.name} is among the shared data only")
    model, padded = model_of(golden), golden.arrays["padded_input_ids"]
    (key,) = (key for key in golden.arrays if key.startswith(PADDED_KEYS[golden.name]))
    expected = golden.arrays[key]
    prompts = [row[row != model.pad_id].tolist() for row in padded]
    config = SamplerConfig(
        max_new_tokens=expected.shape[2] - padded.shape[1],
        steps=expected.shape[0],
        algorithm="entropy",
        top_k=REFERENCE_TOP_K,
        reference="coda" if golden.name == "coda-tiny" else None,
    )
    rows = decode_rows(model, prompts, config, width=padded.shape[1])
    np.testing.assert_array_equal(trajectory(rows, steps=expected.shape[0], fill_id=model.fill_id), expected)


@pytest.mark.parametrize(("golden", "runs"), list(batches()))
def test_blocks_and_caches_equal_the_reference(golden: Golden, runs: list[dict[str, Any]]) -> None:
    """Final tokens, and how many forwards they took."""
    prompts = golden.arrays["input_ids"]
    config = block_config(golden, runs[0])
    rows = decode_rows(model_of(golden), [prompts[run["row"]].tolist() for run in runs], config, width=prompts.shape[1])
    for row, run in enumerate(runs):
        np.testing.assert_array_equal(rows.tokens[row], golden.arrays[run["key"]][0])
        assert rows.nfe_full[row] + rows.nfe_window[row] == run.get("nfe", run.get("forwards"))


@pytest.mark.parametrize("name", ["qwen3-tiny", "qwen2-tiny", "llama-tiny", "gemma3-tiny"])
@pytest.mark.parametrize("caching", ["prefix", "none"])
def test_greedy_autoregressive_tokens_equal_the_reference(name: str, caching: str) -> None:
    """The same loop on a causal model, with its keys and values cached, and without."""
    golden = Golden(name)
    if not is_there(golden):
        pytest.skip(f"{name} is among the shared data only")
    if caching == "none" and name != "qwen3-tiny":
        pytest.skip("one model is enough to show that the cache is exact")
    prompts = golden.arrays["input_ids"]
    (expected,) = (value for key, value in golden.arrays.items() if key.startswith("greedy"))
    new = expected.shape[1] - prompts.shape[1]
    rows = decode_rows(
        model_of(golden), prompts.tolist(), SamplerConfig(max_new_tokens=new, cache=caching), width=prompts.shape[1]
    )
    np.testing.assert_array_equal(rows.tokens, expected)
    assert (rows.nfe_full == (1 if caching == "prefix" else new)).all()
