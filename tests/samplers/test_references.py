"""Each reference mode does what its reference does wrong; without it the same settings do it right."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from golden_data import Golden
from samplers.decoding import decode_rows

from coda_eval.config import REFERENCES, SamplerConfig
from coda_eval.models.checkpoint import load_checkpoint
from coda_eval.samplers.algorithms import QUIRKS
from coda_eval.samplers.denoise import GIVEN
from coda_eval.testing import ScriptedModel

SURE = ScriptedModel([1] * 9, [9.0] * 9, vocabulary=4, fill_id=3)
"""Any threshold commits a whole block at once."""
BLOCKS = SamplerConfig(max_new_tokens=8, block_length=4, threshold=0.5, cache="dual")


def test_every_reference_mode_is_known_to_the_sampler() -> None:
    """The names that the configuration takes."""
    assert set(QUIRKS) == {None, *REFERENCES}


@pytest.mark.parametrize(("reference", "padding_is_seen"), [(None, False), ("coda", True)])
def test_codas_evaluation_attends_to_padding(reference: str | None, *, padding_is_seen: bool) -> None:
    """Its forward drops the attention mask (modeling_coda.py:406): a row's text hangs on the width of its batch."""
    model = load_checkpoint(Golden("coda-tiny").directory)
    config = SamplerConfig(max_new_tokens=8, algorithm="entropy", reference=reference)
    narrow, wide = (decode_rows(model, [[5, 9, 12]], config, width=width).tokens[0, width:] for width in (3, 11))
    assert (narrow.tolist() != wide.tolist()) == padding_is_seen


def test_fast_dllm_loses_all_but_the_first_token_of_a_refresh() -> None:
    """It cannot shift within a window and commits the first position instead (generation_utils_block.py:456)."""
    right = decode_rows(SURE, [[0]], BLOCKS, width=1)
    theirs = decode_rows(SURE, [[0]], dataclasses.replace(BLOCKS, reference="fast-dllm-dream"), width=1)
    assert right.committed_at[0].tolist() == [GIVEN, 0, 0, 0, 0, 1, 1, 1, 1]
    assert theirs.committed_at[0].tolist() == [GIVEN, 0, 1, 1, 1, 2, 3, 3, 3]
    assert (right.nfe_window[0], theirs.nfe_window[0]) == (0, 2)
    np.testing.assert_array_equal(right.tokens, theirs.tokens)


def test_fast_dllm_runs_a_window_for_a_block_that_is_done() -> None:
    """Its loop looks for masks only behind a first window (llada/generate.py:104-232)."""
    right = decode_rows(SURE, [[0]], BLOCKS, width=1)
    theirs = decode_rows(SURE, [[0]], dataclasses.replace(BLOCKS, reference="fast-dllm-llada"), width=1)
    assert (right.nfe_full[0], right.nfe_window[0]) == (2, 0)
    assert (theirs.nfe_full[0], theirs.nfe_window[0]) == (2, 2)
    np.testing.assert_array_equal(right.tokens, theirs.tokens)
