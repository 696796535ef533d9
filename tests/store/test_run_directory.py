"""What a run leaves on disk, and how it is gone on with."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from coda_eval.errors import StoreError
from coda_eval.records import Estimate, LatencySummary, Metrics, Sample, Status, Verdict
from coda_eval.store import RunDirectory, RunWriter, fingerprint

IDENTITY = {"task": "mini", "sampler": {"steps": 64, "seed": 0}}
NASTY = "tab\t crlf\r\n null\x00 surrogate\ud800 separator\u2028 snowman\u2603 emoji\U0001f600"
METRICS = Metrics(
    task="mini",
    protocol="human-eval",
    problems=1,
    samples=2,
    unscored=1,
    pass_at_k={"base": {"pass@1": Estimate(value=0.5, ci95=(0.1, 0.9)), "pass@10": Estimate(value=None, ci95=None)}},
    statuses={Status.PASSED: 1},
    latency=LatencySummary(p50_s=0.25, nfe_full=64.0),
)


def write(path: Path, identity: Mapping[str, object] = IDENTITY) -> RunWriter:
    return RunWriter(path, identity=identity, facts={"started": "now"})


def sample(number: int, completion: str = "    return 1\n") -> Sample:
    return Sample(
        task_id="mini/0",
        sample=number,
        prompt_sha256="0" * 64,
        completion=completion,
        solution="def f():\n" + completion,
        stop_reason="stop_token",
    )


def verdict(number: int) -> Verdict:
    return Verdict(task_id="mini/0", sample=number, suite="base", status=Status.PASSED)


def test_the_manifest_is_written_first(tmp_path: Path) -> None:
    with write(tmp_path / "runs" / "a"):
        manifest = json.loads((tmp_path / "runs" / "a" / "manifest.json").read_text())
    assert manifest == {"identity": IDENTITY, "fingerprint": fingerprint(IDENTITY), "started": "now"}


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    samples = [dataclasses.replace(sample(0, NASTY), tokens=3, latency_s=0.1, batch=0, seed=1), sample(1)]
    verdicts = [dataclasses.replace(verdict(0), status=Status.FAILED, detail=NASTY, cpu_s=0.25), verdict(1)]
    with write(tmp_path) as run:
        for one in samples:
            run.append_sample(one)
        for other in verdicts:
            run.append_verdict(other)
    read = RunDirectory(tmp_path)
    assert list(read.samples()) == samples
    assert list(read.verdicts()) == verdicts


def test_a_run_is_complete_once_it_has_metrics(tmp_path: Path) -> None:
    with write(tmp_path) as run:
        assert run.run.metrics() is None
        run.write_metrics(METRICS)
    assert RunDirectory(tmp_path).metrics() == METRICS


def test_a_run_that_grows_is_no_longer_complete(tmp_path: Path) -> None:
    with write(tmp_path) as run:
        run.write_metrics(METRICS)
    with write(tmp_path) as run:
        assert run.run.metrics() == METRICS
        run.append_sample(sample(0))
        assert run.run.metrics() is None


def test_resuming_knows_what_is_there_and_keeps_the_first_manifest(tmp_path: Path) -> None:
    with write(tmp_path) as run:
        run.append_sample(sample(0))
        run.append_sample(sample(1))
        run.append_verdict(verdict(1))
    with RunWriter(tmp_path, identity=IDENTITY, facts={"started": "later"}) as run:
        assert [run.has_sample("mini/0", number) for number in (0, 1, 2)] == [True, True, False]
        assert [run.has_verdict("mini/0", number, "base") for number in (0, 1)] == [False, True]
        assert not run.has_verdict("mini/0", 1, "plus")
        assert run.run.manifest["started"] == "now"


def test_a_torn_sample_takes_its_verdict_with_it(tmp_path: Path) -> None:
    """Power loss may keep a verdict and lose its sample, which then is generated anew and judged anew."""
    with write(tmp_path) as run:
        for number in (0, 1):
            run.append_sample(sample(number))
            run.append_verdict(verdict(number))
    samples = tmp_path / "samples.jsonl"
    samples.write_bytes(samples.read_bytes()[:-5])
    with write(tmp_path) as run:
        assert not run.has_sample("mini/0", 1)
        assert not run.has_verdict("mini/0", 1, "base")
        run.append_sample(sample(1, "    return 2\n"))
        run.append_verdict(verdict(1))
        assert [one.completion for one in run.run.samples()] == ["    return 1\n", "    return 2\n"]
        assert list(run.run.verdicts()) == [verdict(0), verdict(1)]


def test_a_line_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    with write(tmp_path) as run:
        run.append_sample(sample(0))
        run.append_verdict(verdict(0))
    for name in ("samples.jsonl", "verdicts.jsonl"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes() * 2)
    read = RunDirectory(tmp_path)
    assert len(list(read.samples())) == 1
    assert len(list(read.verdicts())) == 1


def test_a_killed_process_loses_nothing_and_holds_no_lock(tmp_path: Path) -> None:
    """SIGKILL in the middle: every line that was appended is there, and another process goes on."""
    program = f"""
        import os, signal
        from pathlib import Path
        from coda_eval.records import Sample
        from coda_eval.store import RunWriter
        run = RunWriter(Path({str(tmp_path)!r}), identity={IDENTITY!r}, facts={{}})
        for number in range(100):
            run.append_sample(Sample(task_id="mini/0", sample=number, prompt_sha256="", completion="x" * number,
                                     solution="", stop_reason="length"))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with write(tmp_path) as run:
        assert [one.sample for one in run.run.samples()] == list(range(100))


def test_another_identity_is_refused_by_the_fields_that_differ(tmp_path: Path) -> None:
    write(tmp_path).close()
    with pytest.raises(StoreError, match=r"sampler\.steps is 64 there and 32 here; go on with its settings") as caught:
        write(tmp_path, {"task": "mini", "sampler": {"steps": 32, "seed": 0}})
    assert "seed" not in str(caught.value)


def test_a_refusal_stays_short(tmp_path: Path) -> None:
    write(tmp_path, {f"field{n}": "x" * 1000 for n in range(9)}).close()
    with pytest.raises(StoreError, match=", and 5 more;") as caught:
        write(tmp_path, {f"field{n}": "y" for n in range(9)})
    assert len(str(caught.value)) < 700


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with write(tmp_path), pytest.raises(StoreError, match="another process is writing to"):
        write(tmp_path)
    write(tmp_path).close()


def test_a_refused_writer_holds_no_lock(tmp_path: Path) -> None:
    write(tmp_path).close()
    with pytest.raises(StoreError, match="holds another run"):
        write(tmp_path, {"task": "humaneval"})
    write(tmp_path).close()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("mine")
    with pytest.raises(StoreError, match="out is a file, not a directory; choose another place with --out"):
        write(path)
    with pytest.raises(StoreError, match="cannot be written"):
        write(path / "below")


def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StoreError, match=r"is not empty \(it has thesis\.tex\)"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_samples_without_a_manifest_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text('{"task_id": "HumanEval/0", "completion": ""}\n')
    with pytest.raises(StoreError, match=r"holds samples but no manifest\.json"):
        write(tmp_path)
    assert (tmp_path / "samples.jsonl").stat().st_size


def test_a_process_killed_before_the_manifest_is_started_again(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").touch()
    (tmp_path / "manifest.json.tmp").write_text('{"iden')
    write(tmp_path).close()
    assert RunDirectory(tmp_path).manifest["fingerprint"] == fingerprint(IDENTITY)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Without root's privilege to write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_directory_that_cannot_be_written_is_refused(nobody: None) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:  # a TMPDIR may be closed to others
        path = Path(parent) / "run"
        path.mkdir()
        path.chmod(0o555)
        with pytest.raises(StoreError, match=r"run cannot be written \(Permission denied\)"):
            write(path)
        path.chmod(0o755)


def test_reading_what_is_no_run_says_so(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StoreError, match=r"is not a run: it has no manifest\.json"):
            RunDirectory(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"identity": 1}'])
def test_a_damaged_manifest_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    for open_run in (RunDirectory, write):
        with pytest.raises(StoreError, match="start again in another directory") as caught:
            open_run(tmp_path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pass_at_k": {}, "statuses": {}, "latency": {"x": 1}}'])
def test_damaged_metrics_are_one_line(tmp_path: Path, content: str) -> None:
    write(tmp_path).close()
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(StoreError, match="cannot be read as metrics"):
        RunDirectory(tmp_path).metrics()


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        '{"task_id": "a", "sample": 0, "suite": "base", "status": "maybe", "detail": "", "cpu_s": 0, "wall_s": 0}',
        '{"task_id": ["a"], "sample": 0, "suite": "base", "status": "passed", "detail": "", "cpu_s": 0, "wall_s": 0}',
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    write(tmp_path).close()
    (tmp_path / "verdicts.jsonl").write_text(f"{line}\n")
    with pytest.raises(StoreError, match=r"verdicts\.jsonl: line 1 "):
        list(RunDirectory(tmp_path).verdicts())
    with pytest.raises(StoreError, match=r"verdicts\.jsonl: line 1 "):
        write(tmp_path)
