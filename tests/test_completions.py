"""Completions made elsewhere."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from coda_eval.completions import ExternalCompletion, read_completions
from coda_eval.errors import SamplesError
from coda_eval.records import Sample
from coda_eval.store import RunWriter

IDS = ["HumanEval/0", "HumanEval/1"]
NASTY = "    return 'tab\t nul\x00 surrogate\ud800 separator\u2028'\r\n"


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def test_samples_count_within_a_problem_in_the_order_of_the_file(tmp_path: Path) -> None:
    order = ["HumanEval/1", "HumanEval/0", "HumanEval/1"]
    path = lines(tmp_path / "s.jsonl", *({"task_id": task_id, "completion": str(n)} for n, task_id in enumerate(order)))
    read = read_completions(path, task_ids=IDS)
    assert [(one.task_id, one.sample, one.completion) for one in read] == [
        ("HumanEval/1", 0, "0"),
        ("HumanEval/0", 0, "1"),
        ("HumanEval/1", 1, "2"),
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"completion": "c"}, ("c", False)),
        ({"completion": ""}, ("", False)),
        ({"solution": "s"}, ("s", True)),
        ({"completion": "c", "solution": "s"}, ("c", False)),
        ({"completion": "s", "solution": "s"}, ("s", True)),
        ({"completion": NASTY}, (NASTY, False)),
    ],
)
def test_a_line_is_a_completion_or_a_whole_program(
    tmp_path: Path, row: dict[str, str], expected: tuple[str, bool]
) -> None:
    path = lines(tmp_path / "s.jsonl", {"task_id": "HumanEval/0", **row})
    (read,) = read_completions(path, task_ids=IDS)
    assert (read.completion, read.is_whole_program) == expected


def test_our_own_samples_are_read(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run", identity={}, facts={}) as run:
        run.append_sample(
            Sample(
                task_id="HumanEval/0",
                sample=0,
                prompt_sha256="",
                completion=NASTY,
                solution=f"def f():\n{NASTY}",
                stop_reason="length",
            )
        )
    assert read_completions(tmp_path / "run" / "samples.jsonl", task_ids=IDS) == (
        ExternalCompletion(task_id="HumanEval/0", sample=0, completion=NASTY, is_whole_program=False),
    )


def test_problems_beyond_the_limit_are_passed_over(tmp_path: Path) -> None:
    path = lines(tmp_path / "s.jsonl", *({"task_id": task_id, "completion": ""} for task_id in IDS))
    read = read_completions(path, task_ids=IDS[:1], left_out=IDS[1:])
    assert [one.task_id for one in read] == ["HumanEval/0"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"task_id": "HumanEval/0", "completion"', "line 2 is not JSON .*; mend or remove that line"),
        ("{}", "line 2: `task_id` is missing"),
        ({"task_id": 0, "completion": ""}, "line 2: `task_id` is of type int; expected a string"),
        (
            {"task_id": "HumanEval/00", "completion": ""},
            r"line 2: task_id 'HumanEval/00' .*did you mean 'HumanEval/0'\?",
        ),
        (
            {"task_id": "Mbpp/2", "completion": ""},
            "line 2: task_id 'Mbpp/2' is not in this benchmark; its ids are like",
        ),
        ({"task_id": "HumanEval/0"}, "line 2: `completion` is missing; expected .*`solution`"),
        ({"task_id": "HumanEval/0", "completion": None}, "line 2: `completion` is null; expected a string, empty if"),
        ({"task_id": "HumanEval/0", "completion": ["a"]}, "line 2: `completion` is of type list"),
        ({"task_id": "HumanEval/0", "solution": None}, "line 2: `solution` is null"),
    ],
)
def test_a_bad_line_is_one_line_that_names_it(tmp_path: Path, line: object, message: str) -> None:
    path = lines(tmp_path / "s.jsonl", {"task_id": "HumanEval/0", "completion": ""}, line)
    with pytest.raises(SamplesError, match=message) as caught:
        read_completions(path, task_ids=IDS)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"task_id": "HumanEval/0", "completion": "\xe9"}\n')
    with pytest.raises(SamplesError, match="line 1 is not UTF-8"):
        read_completions(path, task_ids=IDS)


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"")])
def test_an_empty_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(content)
    with pytest.raises(SamplesError, match="holds no completion to score"):
        read_completions(path, task_ids=IDS)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    torn = tmp_path / "s.jsonl.gz"
    torn.write_bytes(gzip.compress(b'{"task_id": "HumanEval/0"}')[:-4])
    for path in (torn, tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(SamplesError, match="cannot be read"):
            read_completions(path, task_ids=IDS)


@pytest.mark.parametrize(
    ("name", "prefix", "ids", "whole"),
    [
        ("humaneval_codegen16b", "HumanEval", range(164), False),
        ("mbpp_chatgpt", "Mbpp", range(2, 810), True),
    ],
)
def test_real_samples_files_are_read_whole(shared: Path, name: str, prefix: str, ids: range, whole: bool) -> None:
    path = shared / "data" / "samples" / f"{name}.jsonl.gz"
    read = read_completions(path, task_ids=[f"{prefix}/{number}" for number in ids])
    assert len(read) == gzip.decompress(path.read_bytes()).count(b"\n")
    assert {one.is_whole_program for one in read} == {whole}
    assert len(set(Counter(one.task_id for one in read).values())) == 1
