"""Remaking the embedded checkpoints: trains each and writes it in Hugging Face layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import PreTrainedTokenizerFast

from coda_eval.errors import ConfigError, StoreError
from coda_eval.models.decoder import Decoder
from coda_eval.models.families import FAMILIES
from coda_eval.models.weights import save_decoder
from coda_eval.training.batches import CANVAS_WIDTH
from coda_eval.training.recipe import RECIPES, Recipe
from coda_eval.training.trainer import train
from coda_eval.training.vocabulary import build_tokenizer

VOCABULARY_SEED = 0


def train_quickstart(out: Path, *, names: Sequence[str] | None = None, quiet: bool = False) -> list[Path]:
    """Trains the embedded models one after another, each from its last state where `out` has one.

    Returns:
        The directories of the finished checkpoints.

    Raises:
        ConfigError: a name that is none of the recipes'.
        StoreError: `out` cannot be written, or holds the state of another recipe.
    """
    names = list(RECIPES) if names is None else list(dict.fromkeys(names))
    if unknown := [name for name in names if name not in RECIPES]:
        raise ConfigError(f"--only names {unknown[0]!r}; the embedded checkpoints are {', '.join(RECIPES)}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{out} cannot be made ({error.strerror}); choose another --out") from error
    tokenizer = build_tokenizer(VOCABULARY_SEED)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        for name in names:
            recipe = RECIPES[name]
            bar = progress.add_task(name, total=recipe.steps, loss=float("nan"))

            def on_step(step: int, loss: float, bar: object = bar) -> None:
                progress.update(bar, completed=step, loss=loss)  # type: ignore[arg-type]

            decoder = train(recipe, tokenizer, state_file=out / f"{name}.state", on_step=on_step)
            _publish(recipe, decoder, tokenizer, out / name)
    return [out / name for name in names]


def _publish(recipe: Recipe, decoder: Decoder, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Writes weights (bfloat16), config and tokenizer, as a whole or not at all."""
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    save_decoder(decoder, FAMILIES[recipe.model_type], partial, dtype=jnp.dtype("bfloat16"))
    (partial / "config.json").write_text(json.dumps(_config_json(recipe, tokenizer), indent=2) + "\n")
    generation = {"eos_token_id": tokenizer.eos_token_id, "max_new_tokens": CANVAS_WIDTH}
    (partial / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    tokenizer.save_pretrained(partial)
    for file in partial.iterdir():
        file.chmod(0o644)  # safetensors makes files that only their owner can read
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)


def _config_json(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> dict[str, object]:
    """`config.json` with the fields of the hub's checkpoints of this type."""
    architecture = recipe.architecture
    config: dict[str, object] = {
        "model_type": recipe.model_type,
        "torch_dtype": "bfloat16",
        "vocab_size": architecture.vocab_size,
        "hidden_size": architecture.hidden_size,
        "intermediate_size": architecture.intermediate_size,
        "num_hidden_layers": architecture.num_layers,
        "num_attention_heads": architecture.num_heads,
        "num_key_value_heads": architecture.num_kv_heads,
        "head_dim": architecture.head_dim,
        "hidden_act": "silu",
        "attention_bias": False,
        "rms_norm_eps": architecture.rms_norm_eps,
        "rope_theta": architecture.rope_theta,
        "rope_scaling": None,
        "max_position_embeddings": architecture.max_positions,
        "tie_word_embeddings": architecture.tied_head,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if FAMILIES[recipe.model_type].diffusion:
        config["mask_token_id"] = tokenizer.mask_token_id
    return config
