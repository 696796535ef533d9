"""Tasks by name, with their problems."""

import gzip
import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from coda_eval.errors import TaskError
from coda_eval.extract import EXTRACTORS
from coda_eval.protocols import PROTOCOLS
from coda_eval.tasks import list_tasks, load_task

ROWS = [
    {
        "task_id": f"mine/{number}",
        "prompt": "def f():\n",
        "entry_point": "f",
        "canonical_solution": f"    return {number}\n",
        "test": f"def check(candidate):\n    assert candidate() == {number}\n",
    }
    for number in range(3)
]
DATA = "".join(f"{json.dumps(row)}\n" for row in ROWS).encode()


@pytest.fixture(autouse=True)
def _no_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODA_EVAL_DATA", raising=False)


def own_task(directory: Path, data: bytes, *, package: str = "") -> str:
    """A user's task: its TOML; the data beside it are the test's to write."""
    (directory / "mine.toml").write_text(
        'name = "mine"\ntitle = "Mine"\nversion = 1\nadapter = "humaneval"\nprotocols = ["human-eval"]\n'
        'default_protocol = "human-eval"\ntimeout_s = 3.0\n[data]\nfile = "mine.jsonl"\n'
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"\n{package}'
    )
    return str(directory / "mine.toml")


def test_humaneval_comes_from_the_installed_package() -> None:
    task = load_task("humaneval")
    assert len(task.problems) == 164
    assert task.problems[0].task_id == "HumanEval/0"
    assert task.problems[163].entry_point == "generate_integers"
    assert (task.suites, task.default_protocol, task.timeout_s) == (("base",), "human-eval", 3.0)
    assert task.data_source.name == "HumanEval.jsonl.gz"


def test_the_package_is_not_imported_for_its_data() -> None:
    program = (
        "import sys; from coda_eval.tasks import load_task; load_task('humaneval'); print('human_eval' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "False\n"


def test_the_official_file_holds_the_same_data(shared: Path) -> None:
    directory = shared / "data" / "benchmarks"
    task = load_task("humaneval", data_dir=directory)
    assert task.data_source == directory / "HumanEval.jsonl.gz"
    assert task.problems == load_task("humaneval").problems


def test_every_shipped_task_is_sound() -> None:
    """Named as its file, under protocols and with extractors that exist."""
    for definition in list_tasks():
        assert (definition.directory / f"{definition.name}.toml").is_file()
        assert set(definition.protocols) <= PROTOCOLS.keys()
        assert set(definition.extract_also) <= EXTRACTORS.keys()


@pytest.mark.parametrize(
    ("name", "problems", "suites", "first", "last"),
    [
        ("mini", 85, ("base",), "mini/0", "mini/84"),
        ("humaneval", 164, ("base",), "HumanEval/0", "HumanEval/163"),
        ("humaneval-plus", 164, ("base", "plus"), "HumanEval/0", "HumanEval/163"),
        ("mbpp", 500, ("base",), "Mbpp/11", "Mbpp/510"),
        ("mbpp-plus", 378, ("base", "plus"), "Mbpp/2", "Mbpp/809"),
    ],
)
def test_the_benchmarks_are_as_published(
    name: str, problems: int, suites: tuple[str, ...], first: str, last: str, shared: Path
) -> None:
    task = load_task(name, data_dir=shared / "data" / "benchmarks")
    assert (len(task.problems), task.suites) == (problems, suites)
    assert (task.problems[0].task_id, task.problems[-1].task_id) == (first, last)
    for name in task.breakdown:
        assert all(name in problem.metadata for problem in task.problems)


def test_mbpps_examples_lie_outside_its_test_split(shared: Path) -> None:
    task = load_task("mbpp", data_dir=shared / "data" / "benchmarks")
    assert [example.task_id for example in task.few_shot] == ["Mbpp/2", "Mbpp/3", "Mbpp/4"]
    assert not {example.task_id for example in task.few_shot} & {problem.task_id for problem in task.problems}


def test_a_quarter_of_mbpp_plus_is_from_mbpps_training_split(shared: Path) -> None:
    task = load_task("mbpp-plus", data_dir=shared / "data" / "benchmarks")
    splits = Counter(problem.metadata["mbpp_split"] for problem in task.problems)
    assert splits == {"test": 224, "train": 108, "validation": 39, "prompt": 7}


def test_data_that_only_the_network_has_are_one_error_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to get them are in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        TaskError, match=r"mbpp-sanitized\.jsonl is not here .*--data-dir.*with a network: it is google"
    ):
        load_task("mbpp-sanitized")
    with pytest.raises(TaskError, match=r"MbppPlus-v0\.2\.0\.jsonl\.gz is not here; .*evalplus fetches it"):
        load_task("mbpp-plus", download=False)


def test_what_evalplus_has_fetched_is_found(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps its files decompressed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "evalplus").mkdir()
    content = gzip.decompress((shared / "data" / "benchmarks" / "HumanEvalPlus-v0.1.10.jsonl.gz").read_bytes())
    (tmp_path / "evalplus" / "HumanEvalPlus-v0.1.10.jsonl").write_bytes(content)
    assert load_task("humaneval-plus").data_source.parent == tmp_path / "evalplus"


def test_first_and_last_name_rows_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(DATA)
    reference = own_task(tmp_path, DATA, package='first = "mine/1"\nlast = "mine/1"\n')
    assert [problem.task_id for problem in load_task(reference).problems] == ["mine/1"]
    reference = own_task(tmp_path, DATA, package='first = "mine/7"\n')
    with pytest.raises(TaskError, match=r"has no problem 'mine/7', which the .toml of task mine names"):
        load_task(reference)


def test_a_limit_keeps_the_first_problems_and_names_the_others(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(DATA)
    task = load_task(own_task(tmp_path, DATA), limit=1)
    assert [problem.task_id for problem in task.problems] == ["mine/0"]
    assert task.left_out == {"mine/1", "mine/2"}
    assert task.dataset_sha256 == hashlib.sha256(DATA).hexdigest()


def test_data_are_looked_for_in_the_named_directories_before_the_tomls_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    option, variable, own = (tmp_path / name for name in ("option", "variable", "own"))
    for directory in (option, variable, own):
        directory.mkdir()
    reference = own_task(own, DATA)
    monkeypatch.setenv("CODA_EVAL_DATA", str(variable))
    for directory in (own, variable, option):
        (directory / "mine.jsonl").write_bytes(DATA)
        assert load_task(reference, data_dir=option).data_source == directory / "mine.jsonl"


def test_compressing_the_data_again_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(gzip.compress(DATA, compresslevel=1))
    assert len(load_task(own_task(tmp_path, DATA)).problems) == 3


def test_other_data_are_refused_with_both_hashes(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(DATA + DATA)
    with pytest.raises(TaskError, match=r"sha256 \(decompressed\) is [0-9a-f]{64}, expected [0-9a-f]{64}; fetch"):
        load_task(own_task(tmp_path, DATA))


def test_missing_data_say_the_ways_to_get_them(tmp_path: Path) -> None:
    reference = own_task(tmp_path, DATA, package='distribution = "no-such"\npackage = "no_such"\npackage_file = "x"\n')
    with pytest.raises(
        TaskError, match=r"mine\.jsonl is not here; .*--data-dir or CODA_EVAL_DATA, or `pip install no-such`"
    ):
        load_task(reference)


def test_a_data_directory_that_is_not_there_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TaskError, match=r"--data-dir is '.*none', which is no directory"):
        load_task("humaneval", data_dir=tmp_path / "none")
    monkeypatch.setenv("CODA_EVAL_DATA", str(tmp_path / "none"))
    with pytest.raises(TaskError, match=r"CODA_EVAL_DATA is '.*none', which is no directory"):
        load_task("humaneval")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no problem"),
        (DATA + b"{", "line 4 is not JSON"),
        (DATA + b"{}", "line 4: `task_id` is missing"),
        (DATA + DATA, "line 4: task_id 'mine/0' was there before"),
    ],
)
def test_damaged_data_are_named_by_line(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "mine.jsonl").write_bytes(data)
    with pytest.raises(TaskError, match=rf"mine\.jsonl: {message}"):
        load_task(own_task(tmp_path, data))


def test_an_unknown_task_is_refused_with_the_closest() -> None:
    with pytest.raises(
        TaskError, match=r"task 'humanevel' is unknown; did you mean humaneval\? choose one of .*humaneval"
    ):
        load_task("humanevel")


def test_a_task_is_run_under_its_own_protocols_only() -> None:
    task = load_task("humaneval", limit=1)
    assert task.choose_protocol(None) == task.choose_protocol("human-eval") == "human-eval"
    with pytest.raises(TaskError, match="task humaneval has no protocol 'mbpp'; choose one of human-eval"):
        task.choose_protocol("mbpp")
