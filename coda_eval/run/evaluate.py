"""A model on a task: completions batch by batch, judged while the next batch is decoded."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from coda_eval.config import RunConfig
from coda_eval.endpoint import is_endpoint
from coda_eval.protocols import prompt_sha256
from coda_eval.records import Metrics, Sample, Timings, Trace
from coda_eval.run.endpoint import EndpointGenerator
from coda_eval.run.generator import Generator, Item, Written
from coda_eval.run.ground_truth import ground_truth
from coda_eval.run.judge import Judge
from coda_eval.run.manifest import common_facts, execution_identity, task_identity
from coda_eval.run.progress import RunProgress
from coda_eval.run.reading import Reading, choose_reading
from coda_eval.run.results import complete
from coda_eval.run.share import WHOLE, Share
from coda_eval.run.workbench import Workbench, open_workbench
from coda_eval.store import RunWriter
from coda_eval.store.timings import append_timings
from coda_eval.store.traces import append_traces
from coda_eval.tasks import Task


def evaluate(
    config: RunConfig,
    out: Path,
    *,
    data_dir: Path | None = None,
    quiet: bool = False,
    workbench: Workbench | None = None,
    measure: bool = False,
    share: Share = WHOLE,
) -> Metrics:
    """Runs a model on a task and writes a run directory; one that is there is gone on with.

    Args:
        config: what to run.
        out: the run directory.
        data_dir: where official data files lie.
        quiet: no progress bars.
        measure: take care of times: warm up each shape, let no program run beside the model, and time single forwards.
        workbench: what is shared with other runs of the same execution settings; None makes one for this run.
        share: which part of the completions is made here.

    Raises:
        CodaEvalError: in one line; what was done is on disk.
    """
    with contextlib.ExitStack() as stack:
        bench = workbench or stack.enter_context(open_workbench(config.execution))
        task = bench.task(config.task, data_dir=data_dir)
        progress = stack.enter_context(RunProgress(quiet=quiet))
        progress.say(f"loading {config.model}")
        started = time.perf_counter()
        generator, reading = _set_up(config, task, bench, stack)
        load_s = time.perf_counter() - started
        description = bench.executor.describe()
        identity = {
            **task_identity(task, reading),
            **generator.identity(),
            "execution": execution_identity(config.execution, description),
        }
        ceiling = ground_truth(task, bench.executor, config.execution)
        progress.warn(ceiling.complaint)
        facts = {
            **common_facts(task, description),
            "ground_truth": dataclasses.asdict(ceiling),
            "config": config.to_json(),
            **generator.facts(),
        }
        writer = stack.enter_context(RunWriter(out, identity=identity, facts=facts))
        with Judge(bench.executor, writer, on_submit=progress.submitted, on_verdict=progress.judged) as judge:
            if not measure:
                _judge_what_is_there(task, reading, writer, judge)
            items = [item for item in _items(task, config) if share.takes(item.batch)]
            missing = [item for item in items if not writer.has_sample(item.problem.task_id, item.sample)]
            if missing:
                timings = _write_missing(
                    missing, generator, reading, writer, None if measure else judge, progress, seed=config.sampler.seed
                )
                full_s, window_s = generator.forward_seconds() if measure else (None, None)
                append_timings(
                    out,
                    dataclasses.replace(
                        timings, load_s=round(load_s, 6), full_forward_s=full_s, window_forward_s=window_s
                    ),
                )
            if measure:
                _judge_what_is_there(task, reading, writer, judge)
        made = {item.problem.task_id for item in items}
        problems = tuple(problem for problem in task.problems if problem.task_id in made)
        return complete(writer, dataclasses.replace(task, problems=problems), reading)


def _set_up(config: RunConfig, task: Task, bench: Workbench, stack: contextlib.ExitStack) -> tuple[Generator, Reading]:
    """The model, ready to write, and how it is asked and read."""
    loaded = None
    if not is_endpoint(config.model):
        loaded = bench.models.load(config.model, dtype=config.dtype, mesh=config.mesh, attention=config.attention)
    reading = choose_reading(
        task,
        protocol=config.protocol,
        style=config.prompt,
        beside=config.extract_also,
        model=config.model.partition("@")[0] if loaded is None else config.model,
        has_chat_template=loaded is None or loaded.has_chat_template,
    )
    if loaded is None:
        return stack.enter_context(EndpointGenerator(config, task, reading)), reading
    from coda_eval.run.device import DeviceGenerator

    return DeviceGenerator(loaded, config, task, reading), reading


def _write_missing(
    missing: list[Item],
    generator: Generator,
    reading: Reading,
    writer: RunWriter,
    judge: Judge | None,
    progress: RunProgress,
    *,
    seed: int,
) -> Timings:
    """Makes completions, puts them on disk and hands them to the judge; returns what took how long.

    Without a judge times count: the first batch is made twice.
    """
    progress.expect_completions(len(missing))
    progress.say("compiling")
    compile_s = generator.compile()
    if judge is None:
        compile_s += generator.warm_up(next(_batches(missing)))
    decode_s = host_s = 0.0
    for batch in _batches(missing):
        written = generator.write(batch)
        started = time.perf_counter()
        append_traces(writer.run.path, _traces(batch, written.completions))
        decode_s += written.seconds
        compile_s += written.compile_s
        for item, completion in zip(batch, written.completions, strict=True):
            sample = _sample(item, completion, generator, reading, latency_s=written.seconds, seed=seed)
            writer.append_sample(sample)
            if judge is not None:
                judge.submit(reading.programs(item.problem, sample))
        progress.completed(len(batch))
        host_s += written.host_s + time.perf_counter() - started
    return Timings(
        completions=len(missing),
        compile_s=round(compile_s, 6),
        decode_s=round(decode_s, 6),
        host_s=round(host_s, 6),
    )


def _items(task: Task, config: RunConfig) -> list[Item]:
    """Every completion of the run. Batches are cut here once, so that a resumed run has the same ones."""
    wanted = itertools.product(task.problems[: config.limit], range(config.samples))
    return [
        Item(problem, sample, batch=index // config.sampler.batch_size)
        for index, (problem, sample) in enumerate(wanted)
    ]


def _batches(items: list[Item]) -> Iterator[list[Item]]:
    for _, batch in itertools.groupby(items, key=lambda item: item.batch):
        yield list(batch)


def _judge_what_is_there(task: Task, reading: Reading, writer: RunWriter, judge: Judge) -> None:
    """Samples on disk that have no verdict yet."""
    problems = {problem.task_id: problem for problem in task.problems}
    for sample in writer.run.samples():
        judge.submit(reading.programs(problems[sample.task_id], sample))


def _traces(items: Sequence[Item], completions: Sequence[Written]) -> Iterator[Trace]:
    """Of the completions that have one."""
    for item, written in zip(items, completions, strict=True):
        if written.pieces is not None and written.committed_at is not None:
            yield Trace(
                task_id=item.problem.task_id,
                sample=item.sample,
                pieces=written.pieces,
                committed_at=written.committed_at,
            )


def _sample(
    item: Item, written: Written, generator: Generator, reading: Reading, *, latency_s: float, seed: int
) -> Sample:
    return Sample(
        task_id=item.problem.task_id,
        sample=item.sample,
        prompt_sha256=prompt_sha256(generator.prompt_text(item.problem)),
        completion=written.text,
        solution=reading.source(item.problem, written.text),
        stop_reason=written.stop_reason,
        tokens=written.tokens,
        nfe_full=written.nfe_full,
        nfe_window=written.nfe_window,
        latency_s=round(latency_s, 6),
        batch=item.batch,
        seed=seed,
    )
