"""How fast the sampler is: beside PyTorch on the same weights, and beside itself without what makes it fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from coda_eval.bench import torch_peer
from coda_eval.bench.decoding import SamplerRow, Timed, in_turns, random_model, requests_for, shape_of
from coda_eval.config import SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.models.checkpoint import CheckpointModel
from coda_eval.samplers.denoise import denoise


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerBench:
    """What is measured, and how often."""

    shape: str = "small"
    dtype: str = "float32"
    rounds: int = 5
    batch: int = 4
    prompt: int = 64
    new: int = 128
    steps: int = 32
    peer_python: str = sys.executable

    def rows(self, names: Sequence[str]) -> Iterator[SamplerRow]:
        """Measures the rows named, one after the other, on one model."""
        with tempfile.TemporaryDirectory(prefix="coda-eval-bench-") as directory:
            checkpoint = Path(directory) / "model"
            model = random_model(shape_of(self.shape), checkpoint, dtype=self.dtype)
            for name in names:
                yield ROWS[name](self, model, checkpoint)


def _pytorch(bench: SamplerBench, model: CheckpointModel, checkpoint: Path) -> SamplerRow:
    requests = requests_for(model, batch=bench.batch, prompt=bench.prompt)
    ours = Timed(model, SamplerConfig(max_new_tokens=bench.new, steps=bench.steps, algorithm="entropy"), requests)
    run = {
        "prompt": [list(request.prompt) for request in requests],
        "new": bench.new,
        "steps": bench.steps,
        "mask_id": model.fill_id,
    }
    with _peer(bench.peer_python, checkpoint, run) as (generate, about):
        answers: list[dict[str, Any]] = []

        def theirs() -> float:
            answers.append(generate())
            return float(answers[-1]["seconds"])

        ours_s, peer_s = in_turns((ours, theirs), bench.rounds)
    assert ours.decoded is not None
    there = np.array(answers[-1]["tokens"])[:, bench.prompt :]
    here = np.array([completion.tokens for completion in ours.decoded.completions])
    tokens = bench.batch * bench.new
    return SamplerRow(
        name="pytorch",
        about=f"{bench.steps} steps of entropy, batch {bench.batch}, {bench.new} tokens after {bench.prompt}",
        ours_s=ours_s,
        peer=f"PyTorch {about['torch']}, {about['threads']} threads, full logits",
        peer_s=peer_s,
        facts={
            "tokens_per_s": round(tokens / float(np.median(ours_s)), 2),
            "peer_tokens_per_s": round(tokens / float(np.median(peer_s)), 2),
            "equal_tokens": f"{int((here == there).sum())} of {tokens}",
            "compile_s": round(ours.compile_s, 2),
        },
    )


@contextmanager
def _peer(
    python: str, checkpoint: Path, run: dict[str, Any]
) -> Iterator[tuple[Callable[[], dict[str, Any]], dict[str, Any]]]:
    """A process that generates once whenever it is asked to."""
    run_file = checkpoint.parent / "run.json"
    run_file.write_text(json.dumps(run))
    command = [python, torch_peer.__file__, str(checkpoint), str(run_file)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        greeting = process.stdout.readline()
        if not greeting:
            raise ConfigError(
                f"{python} has no working torch and transformers; give --peer-python an interpreter that has"
            )
        stdin, stdout = process.stdin, process.stdout

        def generate() -> dict[str, Any]:
            stdin.write("\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield generate, json.loads(greeting)
        stdin.close()


def _cache(bench: SamplerBench, model: CheckpointModel, checkpoint: Path) -> SamplerRow:
    new = max(bench.new, 512)
    requests = requests_for(model, batch=bench.batch, prompt=bench.prompt)
    steps = new // 4
    whole, dual = (
        Timed(
            model,
            SamplerConfig(max_new_tokens=new, steps=steps, algorithm="low_confidence", block_length=32, cache=cache),
            requests,
        )
        for cache in ("none", "dual")
    )
    dual_s, whole_s = in_turns((dual, whole), bench.rounds)
    return SamplerRow(
        name="cache",
        about=f"dual cache, block 32, {steps} steps, {new} tokens",
        ours_s=dual_s,
        peer="the same without a cache",
        peer_s=whole_s,
        facts={"forwards": dual.forwards, "forwards_without": whole.forwards},
    )


def _threshold(bench: SamplerBench, model: CheckpointModel, checkpoint: Path) -> SamplerRow:
    """The forwards that the rule must take follow from the confidences at which it commits; they are counted."""
    requests = requests_for(model, batch=1, prompt=bench.prompt)
    forwards = {}
    timed = []
    for threshold in (1.0, 0.9, 0.7, 0.5):
        side = Timed(
            model,
            SamplerConfig(max_new_tokens=bench.new, threshold=threshold, block_length=32, cache="dual"),
            requests,
        )
        timed.append(side)
        side()
        forwards[str(threshold)] = side.forwards
    one_each, at_most = in_turns(timed[:2], bench.rounds)
    return SamplerRow(
        name="threshold",
        about="threshold 0.9, dual cache, block 32, batch 1",
        ours_s=at_most,
        peer="threshold 1: a token a forward",
        peer_s=one_each,
        facts={"forwards": forwards},
    )


def _early_stop(bench: SamplerBench, model: CheckpointModel, checkpoint: Path) -> SamplerRow:
    requests = requests_for(model, batch=1, prompt=bench.prompt)
    config = SamplerConfig(
        max_new_tokens=max(bench.new, 256), algorithm="low_confidence", block_length=32, cache="dual"
    )
    whole = Timed(model, config, requests)
    whole()
    assert whole.decoded is not None
    tokens = whole.decoded.completions[0].tokens
    sides, lengths = [whole], [len(tokens)]
    for part in (2, 4):
        stopping = _Stopping(model, tokens[len(tokens) // part])
        sides.append(Timed(stopping, config, requests))  # type: ignore[arg-type]  # the same but for its stop token
        lengths.append(tokens.index(tokens[len(tokens) // part]))
    times = in_turns(sides, bench.rounds)
    return SamplerRow(
        name="early-stop",
        about=f"a stop token after {lengths[-1]} of {lengths[0]} tokens",
        ours_s=times[-1],
        peer="no stop token",
        peer_s=times[0],
        facts={"text_lengths": lengths, "median_s": [round(float(np.median(each)), 4) for each in times]},
    )


class _Stopping:
    def __init__(self, model: CheckpointModel, stop_id: int) -> None:
        self._model = model
        self.stop_ids = (stop_id,)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def _compilations(bench: SamplerBench, model: CheckpointModel, checkpoint: Path) -> SamplerRow:
    """90 settings at one shape; steps bound the threshold's forwards."""
    requests = requests_for(model, batch=1, prompt=8)
    before, compile_s, settings = _programs(), 0.0, 0
    for steps in (1, 2, 4, 8, 12, 16):
        for threshold in (0.5, 0.6, 0.7, 0.8, 0.9):
            for temperature in (0.0, 0.5, 1.0):
                timed = Timed(
                    model,
                    SamplerConfig(max_new_tokens=16, steps=steps, threshold=threshold, temperature=temperature),
                    requests,
                )
                timed()
                compile_s = max(compile_s, timed.compile_s)
                settings += 1
    return SamplerRow(
        name="compilations",
        about="6 step counts, 5 thresholds, 3 temperatures at one shape",
        ours_s=(),
        peer="",
        peer_s=(),
        facts={"settings": settings, "compilations": _programs() - before, "compile_s": round(compile_s, 2)},
    )


def _programs() -> int:
    """To how many programs the loop has been compiled."""
    count: int = denoise._cache_size()  # type: ignore[attr-defined]  # of jax.jit, and nowhere documented
    return count


def _device(bench: SamplerBench, model: CheckpointModel, checkpoint: Path) -> SamplerRow:
    """Forwards beside what the device can do: its matrix rate, and the time it takes to read the weights."""
    length, window = 132 + 768, 32
    body = sum(leaf.size for leaf in jax.tree.leaves(model.parameters)) - model.config.vocab_size * (
        model.config.hidden_size * (1 if model.config.tied_head else 2)
    )
    weight_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(model.parameters))
    matrix = jax.random.normal(jax.random.key(0), (8192, 8192) if bench.dtype == "bfloat16" else (2048, 2048))
    matrix = matrix.astype(bench.dtype if bench.dtype != "int8" else "bfloat16")
    multiply = jax.jit(lambda a: a @ a)
    rate = 2 * matrix.shape[0] ** 3 / _best(lambda: multiply(matrix), bench.rounds)
    read = jax.jit(lambda leaves: [jnp.max(leaf.astype(jnp.float32)) for leaf in leaves])
    read_s = _best(lambda: read(jax.tree.leaves(model.parameters)), bench.rounds)

    tokens = {rows: jnp.ones((rows, length), jnp.int32) for rows in (1, 8)}
    positions = {rows: jnp.broadcast_to(jnp.arange(length)[None], (rows, length)) for rows in (1, 8)}
    seen = {rows: jnp.ones((rows, length), bool) for rows in (1, 8)}
    full = jax.jit(model.hidden)
    full_s = _best(lambda: full(model.parameters, tokens[8], positions[8], seen[8]), bench.rounds)
    flops = (
        8 * length * (2 * body + 4 * length * model.config.num_layers * model.config.num_heads * model.config.head_dim)
    )
    _, cache = jax.jit(model.prefill)(model.parameters, tokens[1], positions[1], seen[1])
    at = jnp.asarray([length - window])

    @jax.jit
    def windowed(parameters: Any, cache: Any) -> Any:
        hidden, _ = model.window(parameters, tokens[1], positions[1], seen[1], cache, at, at, width=window)
        return model.logits(parameters, hidden)

    window_s = _best(lambda: windowed(model.parameters, cache), bench.rounds)
    seconds = {}
    for steps in (32, 64, 128, 256, 512, 1024):
        timed = Timed(
            model,
            SamplerConfig(max_new_tokens=768, steps=steps, algorithm="entropy"),
            requests_for(model, batch=8, prompt=132),
        )
        seconds[str(steps)] = round(timed() / 8, 4)
    fast = Timed(
        model,
        SamplerConfig(max_new_tokens=768, threshold=0.9, block_length=32, cache="dual"),
        requests_for(model, batch=8, prompt=132),
    )
    seconds["fast"] = round(fast() / 8, 4)
    return SamplerRow(
        name="device",
        about=f"{bench.shape}, {bench.dtype}, prompt 132, 768 new tokens",
        ours_s=(),
        peer="",
        peer_s=(),
        facts={
            "device": jax.devices()[0].device_kind,
            "matrix_tflops": round(rate / 1e12, 2),
            "full_forward_s": full_s,
            "full_forward_over_matrix_rate": round(full_s * rate / flops, 2),
            "window_forward_s": window_s,
            "window_forward_over_weight_read": round(window_s / read_s, 2),
            "weight_read_gb_s": round(weight_bytes / read_s / 1e9, 1),
            "seconds_a_problem": seconds,
        },
    )


def _best(call: Callable[[], Any], rounds: int) -> float:
    """The fastest of some calls after a first one that compiles."""
    import time

    _wait(call())
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        _wait(call())
        times.append(time.perf_counter() - started)
    return min(times)


def _wait(result: Any) -> None:
    for leaf in jax.tree.leaves(result):
        leaf.block_until_ready()


ROWS: dict[str, Callable[[SamplerBench, CheckpointModel, Path], SamplerRow]] = {
    "pytorch": _pytorch,
    "cache": _cache,
    "threshold": _threshold,
    "early-stop": _early_stop,
    "compilations": _compilations,
    "device": _device,
}
