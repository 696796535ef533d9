"""What may be compared with what."""

from __future__ import annotations

from pathlib import Path

import pytest
from compare.judged_runs import IDENTITY, judged_run, outcomes

from coda_eval.compare.comparability import check_comparable
from coda_eval.compare.evidence import Evidence, read_run
from coda_eval.errors import ConfigError

ONE = outcomes(0, problems=2)


@pytest.fixture
def baseline(tmp_path: Path) -> Evidence:
    """The settings of `IDENTITY`."""
    return judged_run(tmp_path / "baseline", ONE)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("task", {"task": "humaneval"}),
        ("protocol", {"protocol": "coda-paper"}),
        ("dataset_sha256", {"dataset_sha256": "d1"}),
        ("extractor", {"extractor": "fenced"}),
        ("execution.timeout_s", {"execution": {**IDENTITY["execution"], "timeout_s": 5.0}}),
        ("execution.memory_mb", {"execution": {**IDENTITY["execution"], "memory_mb": 512}}),
        ("execution.executor", {"execution": {**IDENTITY["execution"], "executor": "local"}}),
    ],
)
def test_what_decides_a_score_must_agree(
    tmp_path: Path, baseline: Evidence, field: str, change: dict[str, object]
) -> None:
    """The field is named, and passes when it is allowed; then it is told."""
    candidate = judged_run(tmp_path / "candidate", ONE, **change)
    with pytest.raises(ConfigError, match=rf"{field} is .* in the baseline and .* --allow {field}"):
        check_comparable(baseline, candidate)
    allowed = check_comparable(baseline, candidate, allow=[field.partition(".")[0]]).allowed
    assert [difference.field for difference in allowed] == [field]


def test_other_models_are_what_it_is_about_and_other_samplers_are_noted(tmp_path: Path, baseline: Evidence) -> None:
    """How completions were made does not change what a score means."""
    candidate = judged_run(tmp_path / "candidate", ONE, model_sha256="m1", sampler={"steps": 8})
    comparability = check_comparable(baseline, candidate)
    assert [difference.field for difference in comparability.noted] == ["sampler.steps"]
    assert comparability.allowed == ()


def test_allowing_one_field_allows_no_other(tmp_path: Path, baseline: Evidence) -> None:
    """Nor one that only begins alike."""
    candidate = judged_run(tmp_path / "candidate", ONE, dataset_sha256="d1", task="humaneval")
    with pytest.raises(ConfigError, match="task is"):
        check_comparable(baseline, candidate, allow=["dataset_sha256", "tas"])


def test_what_is_not_recorded_is_said(tmp_path: Path, baseline: Evidence) -> None:
    """Metrics and verdicts alone do not know their limits."""
    judged_run(tmp_path / "candidate", ONE)
    (tmp_path / "candidate" / "manifest.json").unlink()
    comparability = check_comparable(baseline, read_run(tmp_path / "candidate"))
    assert comparability.unverified == ("dataset_sha256", "execution", "sampler")
    assert comparability.noted == ()
