"""Prompts, byte for byte, with the tokenizer and the chat template of CoDA (Qwen3's).

`golden/*.txt` are the prompts of problems written for these tests. `golden/benchmarks.json` has a hash over all prompts
of each benchmark, so that no benchmark data are in the repository. A change of either is a new protocol version.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from protocols.own_problems import EXAMPLE, HUMANEVAL, MBPP

from coda_eval.protocols import PROTOCOLS, render_prompt
from coda_eval.tasks import find_definition, load_task
from coda_eval.tokenizer import Tokenizer

GOLDEN = Path(__file__).parent / "golden"
OWN = {"humaneval": HUMANEVAL, "mbpp": MBPP}
COMBINATIONS = [
    pytest.param(protocol, form, style, id=f"{protocol.name}-{form}-{style}")
    for protocol in PROTOCOLS.values()
    for form, style in protocol.askings
]
BENCHMARKS = ("humaneval", "humaneval-plus", "mbpp", "mbpp-plus")


@pytest.fixture(scope="module")
def tokenizer(shared: Path) -> Tokenizer:
    return Tokenizer(shared / "data" / "tokenizer")


@pytest.mark.parametrize(("protocol", "form", "style"), COMBINATIONS)
def test_prompts_of_our_own_problems(protocol, form: str, style: str, tokenizer: Tokenizer) -> None:  # type: ignore[no-untyped-def]
    asking = protocol.asking(form, style)
    expected = (GOLDEN / f"{protocol.name}-{form}-{style}.txt").read_bytes().decode()
    assert render_prompt(asking.prompt(OWN[form], [EXAMPLE]), style, tokenizer) == expected


@pytest.mark.parametrize("name", BENCHMARKS)
def test_prompts_of_the_benchmarks(name: str, shared: Path, tokenizer: Tokenizer) -> None:
    """A hash over all of a benchmark's prompts, for each protocol and style."""
    task = load_task(name, data_dir=shared / "data" / "benchmarks")
    found = {}
    for protocol in (PROTOCOLS[each] for each in task.protocols):
        for form, style in protocol.askings:
            if form != task.problems[0].form:
                continue
            digest = hashlib.sha256()
            for problem in task.problems:
                prompt = protocol.asking(form, style).prompt(problem, task.few_shot)
                digest.update(render_prompt(prompt, style, tokenizer).encode() + b"\0")
            found[f"{protocol.name} {style}"] = digest.hexdigest()
    assert found == json.loads((GOLDEN / "benchmarks.json").read_text())[name]


def test_every_task_has_golden_prompts_for_its_protocols() -> None:
    golden = json.loads((GOLDEN / "benchmarks.json").read_text())
    for name in BENCHMARKS:
        assert {key.split()[0] for key in golden[name]} == set(find_definition(name).protocols)


@pytest.mark.parametrize("name", ["humaneval-plus", "mbpp-plus"])
def test_instruct_prompts_are_those_of_evalplus_itself(name: str, shared: Path, tokenizer: Tokenizer) -> None:
    """Its own function, given the same template."""
    from evalplus.codegen import run_codegen
    from evalplus.provider.utility import make_raw_chat_prompt
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(shared / "data" / "tokenizer")
    instruction, response = (
        next(constant for constant in run_codegen.__code__.co_consts if str(constant).startswith(start))
        for start in ("Please provide a self-contained", "Below is a Python script with a self-contained function that")
    )
    asking = PROTOCOLS["evalplus"].asking(find_form(name), "instruct")
    for problem in load_task(name, data_dir=shared / "data" / "benchmarks").problems[:20]:
        expected = make_raw_chat_prompt(f"{problem.prompt.strip()}\n", instruction, response, theirs)
        assert render_prompt(asking.prompt(problem, ()), "instruct", tokenizer) == expected


def find_form(name: str) -> str:
    return "mbpp" if name.startswith("mbpp") else "humaneval"


def test_coda_papers_prompt_has_the_empty_think_block(tokenizer: Tokenizer) -> None:
    """As rendered in the specification, G1 after it with its last newline."""
    asking = PROTOCOLS["coda-paper"].asking("humaneval", "instruct")
    rendered = render_prompt(asking.prompt(HUMANEVAL, ()), "instruct", tokenizer)
    assert rendered == (
        "<|im_start|>user\nWrite a solution to the following problem and make sure that it passes the tests:\n```"
        f"{HUMANEVAL.prompt}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        f"Here is the completed function:\n```python\n{HUMANEVAL.prompt}\n"
    )


def test_a_problem_is_not_among_its_own_examples() -> None:
    asking = PROTOCOLS["mbpp"].asking("mbpp", "base")
    assert EXAMPLE.canonical_solution not in asking.prompt(EXAMPLE, [EXAMPLE]).text
    assert EXAMPLE.canonical_solution in asking.prompt(MBPP, [EXAMPLE]).text
