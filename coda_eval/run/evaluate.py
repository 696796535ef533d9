"""A model on a task: completions batch by batch, judged while the next batch is decoded."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax

from coda_eval.config import DEFAULT_MAX_NEW_TOKENS, RunConfig, SamplerConfig
from coda_eval.execution import open_executor
from coda_eval.extract import EXTRACTORS
from coda_eval.models.checkpoint import checkpoint_sha256, load_checkpoint
from coda_eval.models.references import resolve_model
from coda_eval.protocols import EvaluationProtocol, find_protocol, prompt_sha256
from coda_eval.records import Metrics, Problem, Sample
from coda_eval.run.judge import Judge
from coda_eval.run.manifest import common_facts, execution_identity, task_identity
from coda_eval.run.progress import RunProgress
from coda_eval.samplers.canvas import prompt_width
from coda_eval.samplers.sampler import Completion, Decoded, Request, Sampler
from coda_eval.scoring import compute_metrics
from coda_eval.store import RunWriter
from coda_eval.tasks import Task, load_task
from coda_eval.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class _Item:
    """One completion to make."""

    problem: Problem
    sample: int
    prompt: str
    batch: int


def evaluate(config: RunConfig, out: Path, *, data_dir: Path | None = None, quiet: bool = False) -> Metrics:
    """Runs a model on a task and writes a run directory; one that is there is gone on with.

    Raises:
        CodaEvalError: in one line; what was done is on disk.
    """
    task = load_task(config.task, data_dir=data_dir)
    protocol = find_protocol(task.choose_protocol(config.protocol))
    directory = resolve_model(config.model)
    with open_executor(config.execution) as executor, RunProgress(quiet=quiet) as progress:
        progress.say(f"loading {config.model}")
        tokenizer = Tokenizer(directory)
        model = load_checkpoint(
            directory, dtype=config.dtype, tokenizer_size=len(tokenizer), extra_stop_ids=tokenizer.stop_ids
        )
        # The width is that of the whole task, so that `limit` changes no shape and thus no rounding.
        width = prompt_width([len(tokenizer.encode(protocol.base_prompt(problem))) for problem in task.problems])
        new_tokens = config.sampler.max_new_tokens or model.max_new_tokens or DEFAULT_MAX_NEW_TOKENS
        settings = dataclasses.replace(config.sampler, max_new_tokens=new_tokens)
        sampler = Sampler(model, settings, width=width)
        description = executor.describe()
        identity = {
            **task_identity(task, protocol),
            "model_sha256": checkpoint_sha256(directory),
            "tokenizer_sha256": tokenizer.sha256,
            "dtype": config.dtype,
            "sampler": _sampler_identity(settings, sampler),
            "execution": execution_identity(config.execution, description),
        }
        facts = {**common_facts(task, description), "config": config.to_json(), **_device_facts()}
        with RunWriter(out, identity=identity, facts=facts) as writer:
            items = _items(task, protocol, config)
            with Judge(executor, writer, on_submit=progress.submitted, on_verdict=progress.judged) as judge:
                _judge_what_is_there(task, writer, judge)
                missing = [item for item in items if not writer.has_sample(item.problem.task_id, item.sample)]
                progress.expect_completions(len(missing))
                if missing:
                    progress.say(f"compiling for {jax.devices()[0].device_kind}")
                    sampler.compile()
                for batch in _batches(missing):
                    requests = [
                        Request(prompt=tokenizer.encode(item.prompt), problem=item.problem.task_id, sample=item.sample)
                        for item in batch
                    ]
                    decoded = sampler.decode(requests)
                    for item, completion in zip(batch, decoded.completions, strict=True):
                        text = tokenizer.decode(completion.tokens)
                        sample = _sample(item, completion, decoded, text, protocol, seed=config.sampler.seed)
                        writer.append_sample(sample)
                        judge.submit(item.problem, sample)
                    progress.completed(len(batch))
            metrics = compute_metrics(
                writer.run.samples(),
                writer.run.verdicts(),
                task=task.name,
                protocol=protocol.name,
                suites=task.suites,
            )
            writer.write_metrics(metrics)
            return metrics


def _items(task: Task, protocol: EvaluationProtocol, config: RunConfig) -> list[_Item]:
    """Every completion of the run. Batches are cut here once, so that a resumed run has the same ones."""
    wanted = itertools.product(task.problems[: config.limit], range(config.samples))
    return [
        _Item(problem, sample, protocol.base_prompt(problem), batch=index // config.sampler.batch_size)
        for index, (problem, sample) in enumerate(wanted)
    ]


def _batches(items: list[_Item]) -> Iterator[list[_Item]]:
    for _, batch in itertools.groupby(items, key=lambda item: item.batch):
        yield list(batch)


def _judge_what_is_there(task: Task, writer: RunWriter, judge: Judge) -> None:
    """Samples of an interrupted run that have no verdict yet."""
    problems = {problem.task_id: problem for problem in task.problems}
    for sample in writer.run.samples():
        judge.submit(problems[sample.task_id], sample)


def _sample(
    item: _Item, completion: Completion, decoded: Decoded, text: str, protocol: EvaluationProtocol, *, seed: int
) -> Sample:
    solution = EXTRACTORS[protocol.extractor](item.problem, text, protocol.stop_strings)
    return Sample(
        task_id=item.problem.task_id,
        sample=item.sample,
        prompt_sha256=prompt_sha256(item.prompt),
        completion=text,
        solution=solution or "",
        stop_reason=completion.stop_reason,
        tokens=len(completion.tokens),
        nfe_full=completion.forwards,
        nfe_window=0,
        latency_s=round(decoded.seconds, 6),
        batch=item.batch,
        seed=seed,
    )


def _sampler_identity(config: SamplerConfig, sampler: Sampler) -> dict[str, object]:
    """The sampler's settings as they were resolved, without the batch size, which changes no completion."""
    settings = dataclasses.asdict(config)
    del settings["batch_size"]
    return {**settings, "algorithm": sampler.algorithm, "steps": sampler.steps}


def _device_facts() -> dict[str, object]:
    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "devices": jax.device_count(),
        "backend": jax.default_backend(),
        "runtime": device.client.platform_version,
    }
