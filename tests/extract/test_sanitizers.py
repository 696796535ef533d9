"""The sanitizers of evalplus and of CoDA's harness."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import evalplus.sanitize
import pytest
from evalplus.syncheck import syntax_check
from extract.test_text import DESCRIBED, PROBLEM
from hypothesis import given, settings
from hypothesis import strategies as st

from coda_eval.extract import Answer
from coda_eval.extract import coda_paper as coda_paper_module
from coda_eval.extract import evalplus as evalplus_module
from coda_eval.extract.coda_paper import sanitized_by_coda
from coda_eval.extract.evalplus import LONGEST_IMPLEMENTATION, sanitized_by_evalplus
from coda_eval.extract.longest import longest_parsing_run
from coda_eval.tasks import load_task

LINES = st.lists(
    st.sampled_from(
        [
            "",
            "  ",
            "x = 1",
            "    y = 2",
            "def f(x):",
            "    return x",
            "if x:",
            "Here it is:",
            "```",
            '"""',
            "(",
            "a \\\\",
        ]
    ),
    min_size=1,
    max_size=9,
)


def searched_as_evalplus_does(text: str) -> str:
    """Every run of two lines or more in turn (sanitize.py:31-52)."""
    lines = text.split("\n")
    best, most = (0, 0), 0
    for start in range(len(lines)):
        for stop in range(start + 1, len(lines)):
            run = lines[start : stop + 1]
            if syntax_check("\n".join(run)) and (filled := sum(bool(line.strip()) for line in run)) > most:
                best, most = (start, stop), filled
    return "\n".join(lines[best[0] : best[1] + 1])


@given(LINES)
@settings(max_examples=300)
def test_the_longest_run_is_the_one_that_evalplus_finds(lines: list[str]) -> None:
    """Also where several are as long, where none parses, and where blank lines stand at the ends."""
    text = "\n".join(lines)
    assert evalplus_module._code_extract(text) == searched_as_evalplus_does(text)


def test_the_search_is_bounded_by_work_and_not_by_time() -> None:
    """Text that parses nowhere ends the search with nothing; the sandbox judges it as it is."""
    assert longest_parsing_run(["(" * 3000] * 400, shortest=2) is None


SPECIMENS = {
    "constant behind a dot": "TABLE = {1: 2}\n\ndef f(x):\n    return TABLE.get(x)",
    "helper behind a dot": "def h(x):\n    return str(x)\n\ndef f(x):\n    return h(x).strip()",
    "decorated": "from functools import cache\n\n@cache\ndef f(x):\n    return x",
    "generator helper": "def g(x):\n    yield x\n\ndef f(x):\n    return list(g(x))",
    "annotated constant": "A: int = 3\n\ndef f(x):\n    return A",
    "defined twice": "def f(x):\n    return 1\n\ndef f(x):\n    return 2",
    "two blocks": "```python\ndef f(x):\n    return 1\n```\nor\n```python\ndef f(x):\n    y = 2\n    return y\n```",
    "prints only": "def f(x):\n    print(x)",
}
KEPT = {
    # name: what (evalplus, CoDA) must hold and must not; reference/harnesses 3.3
    "constant behind a dot": ("TABLE = ", None),
    "helper behind a dot": ("def h", None),
    "decorated": (None, "@cache"),
    "generator helper": (None, None),
    "annotated constant": ("A: int", None),
    "defined twice": ("return 1", "return 2"),
}


@pytest.mark.parametrize("name", SPECIMENS)
def test_evalplus_makes_what_its_own_sanitize_makes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = evalplus_module.sanitize(SPECIMENS[name], "f")
    monkeypatch.setattr(evalplus.sanitize, "code_extract", searched_as_evalplus_does)
    assert found == evalplus.sanitize.sanitize(SPECIMENS[name], "f")


@pytest.mark.parametrize("name", KEPT)
def test_the_two_lose_different_code(name: str) -> None:
    """What tells the two harnesses apart: names before a dot, decorators, redefinitions."""
    for sanitize, kept in zip((evalplus_module.sanitize, coda_paper_module.sanitize), KEPT[name], strict=True):
        program = sanitize(SPECIMENS[name], "f")
        for marker in ("TABLE = ", "def h", "@cache", "def g", "A: int"):
            if marker in SPECIMENS[name]:
                assert (marker in program) == (marker == kept), (sanitize.__module__, program)
        if name == "defined twice":
            assert kept is not None
            assert kept in program
            assert program.count("def f") == 1


def test_evalplus_reads_base_and_instruct_answers() -> None:
    continued = sanitized_by_evalplus(PROBLEM, Answer(completion="\treturn 2 * x\n\nassert f(1) == 2\n"))
    assert continued == 'def f(x):\n    """Double x."""\n    return 2 * x'
    answered = sanitized_by_evalplus(
        PROBLEM, Answer(completion="def f(x):\n    return 2 * x\n```\nDone.", continues_prompt=False)
    )
    assert answered == "def f(x):\n    return 2 * x"


def test_evalplus_sees_ten_thousand_characters() -> None:
    """provider/hf.py:108."""
    completion = "    y = 1\n" * 2000 + "    return 2 * x\n"
    assert len(completion) > LONGEST_IMPLEMENTATION
    program = sanitized_by_evalplus(PROBLEM, Answer(completion=completion))
    assert program is not None
    assert len(program) <= LONGEST_IMPLEMENTATION + len(PROBLEM.prompt)


@pytest.mark.parametrize(
    "completion", ["    return '\x00'\n", "    return '\ud800'\n", "(" * 9000, "    return " + "-" * 9000]
)
def test_text_that_no_parser_takes_is_left_to_the_sandbox(completion: str) -> None:
    """No extractor fails on it."""
    for problem in (PROBLEM, DESCRIBED):
        assert sanitized_by_evalplus(problem, Answer(completion=completion))
        sanitized_by_coda(problem, Answer(completion=completion, continues_prompt=False))


def test_coda_papers_program_is_printed_anew() -> None:
    """Comments go, quotes change, and a helper that the entry point does not reach goes too."""
    problem = dataclasses.replace(
        PROBLEM, prompt='import math\n\ndef h(x):\n    return x\n\ndef f(x):\n    """Double x."""\n'
    )
    program = sanitized_by_coda(problem, Answer(completion='    # twice\n    return 2 * x or "a"\n```\nSo.'))
    assert program == 'import math\ndef f(x):\n    """Double x."""\n    return 2 * x or \'a\''


def test_coda_papers_mbpp_program_is_the_raw_response() -> None:
    answer = Answer(completion="def f(x):\n    return 2 * x\n```", stop_strings=("```",), continues_prompt=False)
    assert sanitized_by_coda(DESCRIBED, answer) == "def f(x):\n    return 2 * x\n"
    assert sanitized_by_coda(DESCRIBED, Answer(completion="```python", stop_strings=("```",))) is None


def test_real_completions_are_sanitized_as_by_evalplus(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of each problem, as a base model's and wrapped as a chat model's."""
    problems = {p.task_id: p for p in load_task("humaneval", data_dir=shared / "data" / "benchmarks").problems}
    with gzip.open(shared / "data" / "samples" / "humaneval_codegen16b.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines][::10]
    texts = [f"{problems[row['task_id']].prompt.strip()}\n{row['completion']}" for row in rows]
    texts = [f"Sure:\n```python\n{text}\n```\nThat's it.\n" if i % 2 else text for i, text in enumerate(texts)]
    names = [problems[row["task_id"]].entry_point for row in rows]
    found = [evalplus_module.sanitize(text, name) for text, name in zip(texts, names, strict=True)]
    monkeypatch.setattr(evalplus.sanitize, "code_extract", searched_as_evalplus_does)
    assert found == [evalplus.sanitize.sanitize(text, name) for text, name in zip(texts, names, strict=True)]
