"""Completions made elsewhere."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from coda_eval.completions import REASONS_KEPT, ExternalCompletion, SamplesFile
from coda_eval.errors import SamplesError
from coda_eval.records import Sample
from coda_eval.store import RunWriter

IDS = ["HumanEval/0", "HumanEval/1"]
NASTY = "    return 'tab\t nul\x00 surrogate\ud800 separator\u2028'\r\n"


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def read(path: Path, *, task_ids: Iterable[str] = IDS, left_out: Iterable[str] = ()) -> list[ExternalCompletion]:
    return list(SamplesFile(path, task_ids=list(task_ids), left_out=list(left_out)))


def test_samples_count_within_a_problem_in_the_order_of_the_file(tmp_path: Path) -> None:
    order = ["HumanEval/1", "HumanEval/0", "HumanEval/1"]
    path = lines(tmp_path / "s.jsonl", *({"task_id": task_id, "completion": str(n)} for n, task_id in enumerate(order)))
    found = read(path, task_ids=IDS)
    assert [(one.task_id, one.sample, one.completion) for one in found] == [
        ("HumanEval/1", 0, "0"),
        ("HumanEval/0", 0, "1"),
        ("HumanEval/1", 1, "2"),
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"completion": "c"}, ("c", None)),
        ({"completion": ""}, ("", None)),
        ({"solution": "s"}, (None, "s")),
        ({"completion": "c", "solution": "s"}, ("c", "s")),
        ({"completion": "s", "solution": "s"}, (None, "s")),
        ({"completion": NASTY}, (NASTY, None)),
        ({"completion": None}, (None, "")),
        ({"solution": None}, (None, "")),
        ({"completion": None, "solution": "s"}, (None, "s")),
    ],
)
def test_a_line_has_a_text_or_a_program_or_both(
    tmp_path: Path, row: dict[str, str | None], expected: tuple[str | None, str | None]
) -> None:
    """A null is a model that said nothing: a program that is empty."""
    path = lines(tmp_path / "s.jsonl", {"task_id": "HumanEval/0", **row})
    (found,) = read(path)
    assert (found.completion, found.program) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"resps": [["a"]], "filtered_resps": [["p + a"]]}, [("a", "p + a")]),
        ({"resps": [["a", "b"]], "filtered_resps": ["p", "q"]}, [("a", "p"), ("b", "q")]),
        ({"resps": ["a"], "filtered_resps": [["p", "q"]]}, [("a", None)]),
        ({"resps": [[None]], "filtered_resps": [[""]]}, [(None, "")]),
    ],
)
def test_lm_evals_lines_are_read(
    tmp_path: Path, row: dict[str, object], expected: list[tuple[str | None, str | None]]
) -> None:
    """Several answers of one problem stand in one line; its own programs are taken where they go with the answers."""
    found = read(lines(tmp_path / "s.jsonl", {"doc_id": 0, "doc": {"task_id": "HumanEval/1"}, **row}))
    assert [(one.completion, one.program) for one in found] == expected
    assert [one.sample for one in found] == list(range(len(expected)))


def test_mbpps_own_numbers_are_ids(tmp_path: Path) -> None:
    path = lines(tmp_path / "s.jsonl", {"doc": {"task_id": 11}, "resps": [["a"]]}, {"task_id": 11, "completion": "b"})
    assert [one.task_id for one in read(path, task_ids=["Mbpp/11"])] == ["Mbpp/11", "Mbpp/11"]


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
    assert read(tmp_path / "run" / "samples.jsonl") == [
        ExternalCompletion(task_id="HumanEval/0", sample=0, completion=NASTY, program=f"def f():\n{NASTY}"),
    ]


def test_a_file_of_problems_beyond_the_limit_says_so(tmp_path: Path) -> None:
    path = lines(tmp_path / "s.jsonl", {"task_id": "HumanEval/1", "completion": ""})
    with pytest.raises(SamplesError, match="its problems are beyond the limit"):
        read(path, task_ids=IDS[:1], left_out=IDS[1:])


def test_problems_beyond_the_limit_are_passed_over(tmp_path: Path) -> None:
    path = lines(tmp_path / "s.jsonl", *({"task_id": task_id, "completion": ""} for task_id in IDS))
    found = read(path, task_ids=IDS[:1], left_out=IDS[1:])
    assert [one.task_id for one in found] == ["HumanEval/0"]


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
        ({"task_id": "HumanEval/0", "completion": ["a"]}, "line 2: `completion` is of type list; expected a string"),
        ({"doc": {"task_id": "HumanEval/0"}, "resps": [[1]]}, "line 2: `resps` holds no text or something else"),
        ({"doc": {"task_id": "HumanEval/0"}, "resps": []}, "line 2: `resps` holds no text or something else"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, line: object, message: str) -> None:
    good = {"task_id": "HumanEval/0", "completion": ""}
    path = lines(tmp_path / "s.jsonl", good, line, good)
    file = SamplesFile(path, task_ids=IDS)
    assert file.rejected == 1
    (reason,) = file.reasons
    assert re.search(message, reason)
    assert "\n" not in reason
    assert [one.sample for one in file] == [0, 1]


def test_a_file_of_bad_lines_is_an_error_that_names_the_first(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"task_id": "HumanEval/0", "completion": "\xe9"}\n' * 2)
    with pytest.raises(SamplesError, match="line 1 is not UTF-8"):
        SamplesFile(path, task_ids=IDS)


def test_of_many_bad_lines_the_first_are_kept(tmp_path: Path) -> None:
    path = lines(tmp_path / "s.jsonl", {"task_id": "HumanEval/0", "completion": ""}, *["{"] * 100)
    file = SamplesFile(path, task_ids=IDS)
    assert (file.rejected, len(file.reasons)) == (100, REASONS_KEPT)


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(content)
    with pytest.raises(SamplesError, match="holds no completion to score"):
        read(path, task_ids=IDS)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    torn = tmp_path / "s.jsonl.gz"
    torn.write_bytes(gzip.compress(b'{"task_id": "HumanEval/0"}')[:-4])
    for path in (torn, tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(SamplesError, match="cannot be read"):
            read(path, task_ids=IDS)


@pytest.mark.parametrize(
    ("name", "prefix", "ids", "whole"),
    [
        ("humaneval_codegen16b", "HumanEval", range(164), False),
        ("mbpp_chatgpt", "Mbpp", range(2, 810), True),
    ],
)
def test_real_samples_files_are_read_whole(shared: Path, name: str, prefix: str, ids: range, whole: bool) -> None:
    path = shared / "data" / "samples" / f"{name}.jsonl.gz"
    found = read(path, task_ids=[f"{prefix}/{number}" for number in ids])
    assert len(found) == gzip.decompress(path.read_bytes()).count(b"\n")
    assert {one.completion is None for one in found} == {whole}
    assert len(set(Counter(one.task_id for one in found).values())) == 1
