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

import numpy as np

from coda_eval.bench import compile_time, torch_peer
from coda_eval.bench.decoding import SamplerRow, Timed, in_turns, random_model, requests_for, shape_of
from coda_eval.bench.device import device_row
from coda_eval.config import SamplerConfig
from coda_eval.errors import ConfigError
from coda_eval.models.checkpoint import CheckpointModel
from coda_eval.models.random_checkpoint import resize
from coda_eval.samplers.denoise import denoise

HEAD_AS_IN_CODA = 5632
"""Tokens of the vocabulary with which the head has the part of a forward's arithmetic that it has in CoDA-1.7B (18 %),
beside the four layers of the small shape."""
PEAKED = 24.0
"""Of the head's weights, where the model should be sure of much of what it predicts."""


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
    return _beside_pytorch("pytorch", bench, model, checkpoint)


def _pytorch_top_p(bench: SamplerBench, model: CheckpointModel, checkpoint: Path) -> SamplerRow:
    """As CoDA, Dream and DiffuCoder are run (see `presets.py`), but for their temperature, which would draw."""
    return _beside_pytorch("pytorch-top-p", bench, model, checkpoint, top_p=0.9, top_k=50)


def _beside_pytorch(
    name: str,
    bench: SamplerBench,
    model: CheckpointModel,
    checkpoint: Path,
    *,
    top_p: float = 1.0,
    top_k: int = 0,
) -> SamplerRow:
    requests = requests_for(model, batch=bench.batch, prompt=bench.prompt)
    config = SamplerConfig(max_new_tokens=bench.new, steps=bench.steps, algorithm="entropy", top_p=top_p, top_k=top_k)
    ours = Timed(model, config, requests)
    run = {
        "prompt": [list(request.prompt) for request in requests],
        "new": bench.new,
        "steps": bench.steps,
        "mask_id": model.fill_id,
        "top_p": top_p,
        "top_k": top_k,
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
        name=name,
        about=f"{bench.steps} steps of entropy, batch {bench.batch}, {bench.new} tokens after {bench.prompt}"
        + (f", top-p {top_p}, top-k {top_k}" if top_p < 1 else ""),
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
    """A head of 152,000 tokens would outweigh a body of 4 layers; its part of a forward is here as in CoDA-1.7B."""
    shape = resize(shape_of(bench.shape), vocabulary=HEAD_AS_IN_CODA) if bench.shape == "small" else None
    if shape is not None:
        model = random_model(shape, checkpoint.parent / "proportioned", dtype=bench.dtype)
    prompt, new = max(bench.prompt, 512), max(bench.new, 256)
    requests = requests_for(model, batch=bench.batch, prompt=prompt)
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
        about=f"dual cache, block 32, {steps} steps, batch {bench.batch}, {new} tokens after {prompt}",
        ours_s=dual_s,
        peer="the same without a cache",
        peer_s=whole_s,
        facts={
            "vocabulary": model.config.vocab_size,
            "forwards": dual.forwards,
            "forwards_without": whole.forwards,
        },
    )


def _threshold(bench: SamplerBench, model: CheckpointModel, checkpoint: Path) -> SamplerRow:
    """On a model that is as often sure as trained ones are; forwards are counted, and cost what they cost."""
    model = random_model(shape_of(bench.shape), checkpoint.parent / "peaked", dtype=bench.dtype, head_scale=PEAKED)
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
        facts={"forwards": forwards, "forwards_ratio": round(forwards["1.0"] / forwards["0.9"], 2)},
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
        earliest = len(tokens) // part
        stop_id = next(token for at, token in enumerate(tokens) if at >= earliest and token not in tokens[:at])
        stopping = _Stopping(model, stop_id)
        sides.append(Timed(stopping, config, requests))  # type: ignore[arg-type]  # the same but for its stop token
        lengths.append(tokens.index(stop_id))
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
        facts={
            "settings": settings,
            "compilations": _programs() - before,
            "compile_s": round(compile_s, 2),
            "compile_s_of_two_processes": _compile_in_two_processes(checkpoint, bench.dtype),
        },
    )


def _compile_in_two_processes(checkpoint: Path, dtype: str) -> list[float]:
    """One after the other, with the same directory of compiled programs, empty at first."""
    programs = str(checkpoint.parent / "compiled")
    environment = {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": programs,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, "-m", compile_time.__name__, str(checkpoint), dtype]
    return [
        round(float(subprocess.run(command, env=environment, check=True, capture_output=True).stdout), 2)
        for _ in range(2)
    ]


def _programs() -> int:
    """To how many programs the loop has been compiled."""
    count: int = denoise._cache_size()  # type: ignore[attr-defined]  # of jax.jit, and nowhere documented
    return count


ROWS: dict[str, Callable[[SamplerBench, CheckpointModel, Path], SamplerRow]] = {
    "pytorch": _pytorch,
    "pytorch-top-p": _pytorch_top_p,
    "cache": _cache,
    "threshold": _threshold,
    "early-stop": _early_stop,
    "compilations": _compilations,
    "device": lambda bench, model, checkpoint: device_row(
        model, shape=bench.shape, dtype=bench.dtype, rounds=bench.rounds, batch=bench.batch
    ),
}
