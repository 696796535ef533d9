"""What the compiled loop holds at the size of the real model, which nothing here computes."""

from __future__ import annotations

import math
import re

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from coda_eval.config import SamplerConfig
from coda_eval.models.checkpoint import CheckpointModel
from coda_eval.models.decoder import Decoder
from coda_eval.models.families import family_of
from coda_eval.models.shapes import find_shape
from coda_eval.models.special_tokens import SpecialTokens
from coda_eval.samplers.canvas import build_canvas
from coda_eval.samplers.denoise import denoise, initial_state
from coda_eval.samplers.sampler import Sampler

BATCH, PROMPT, NEW = 32, 132, 768


@pytest.mark.slow
def test_no_buffer_has_logits_of_the_whole_batch() -> None:
    """CoDA-1.7B, batch 32, 768 new tokens: neither any array of the program nor all its temporaries are so large."""
    shape = find_shape("coda-1.7b")
    decoder = nnx.eval_shape(lambda: Decoder(shape.architecture, rngs=nnx.Rngs(0), dtype=jnp.float32))
    special = SpecialTokens(mask_id=151669, pad_id=151643, stop_ids=(151643, 151645))
    vocabulary = shape.architecture.vocab_size
    model = CheckpointModel(decoder, shape.architecture, family_of(shape.config), special, tokenizer_size=vocabulary)
    config = SamplerConfig(max_new_tokens=NEW, batch_size=BATCH, temperature=0.1, top_p=0.9)
    sampler = Sampler(model, config, width=PROMPT)
    canvas = build_canvas([[1]] * BATCH, width=PROMPT, max_new_tokens=NEW, fill_id=151669, pad_id=151643)
    plan = sampler._plan
    compiled = denoise.lower(
        model,
        model.parameters,
        jax.eval_shape(lambda: initial_state(model, canvas, plan)),
        canvas,
        jax.eval_shape(lambda: jax.random.split(jax.random.key(0), BATCH)),
        sampler._knobs,
        jnp.asarray(0, jnp.int32),
        plan=plan,
    ).compile()
    arrays = re.findall(r"\b[a-z]+[0-9]+\[([0-9,]+)\]", compiled.as_text())
    largest = max(math.prod(map(int, dimensions.split(","))) for dimensions in arrays)
    assert largest < BATCH * NEW * vocabulary / 4
    assert compiled.memory_analysis().temp_size_in_bytes < BATCH * NEW * vocabulary * 4 / 2
