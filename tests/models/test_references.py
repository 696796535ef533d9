"""From the name that a user gives to a directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from coda_eval.errors import CheckpointError
from coda_eval.models.references import EMBEDDED, embedded_directory, resolve_model


@pytest.mark.parametrize("name", sorted(EMBEDDED))
def test_embedded_names_come_first(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the same name in the working directory does not stand in the way."""
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_model(name) == embedded_directory(name)


def test_a_directory_is_itself(tmp_path: Path) -> None:
    """Whatever it holds: the loader says what is missing."""
    assert resolve_model(str(tmp_path)) == tmp_path


def test_the_home_directory_may_be_abbreviated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no shell has expanded it, as in a configuration file."""
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_model("~/models") == tmp_path / "models"


def test_a_file_is_refused(tmp_path: Path) -> None:
    """The directory is what is wanted."""
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(CheckpointError, match=r"is a file; --model takes the directory that holds config\.json"):
        resolve_model(str(file))


@pytest.mark.parametrize(
    "reference", ["coda-tny", "./missing", "/missing/directory", "~/missing", "~nosuchuser/x", "a/b/c"]
)
def test_an_unknown_name_lists_what_there_is(reference: str) -> None:
    """Paths that do not exist are not looked up on the hub."""
    with pytest.raises(CheckpointError, match="no model") as caught:
        resolve_model(reference)
    assert all(name in str(caught.value) for name in (repr(reference), *EMBEDDED))


@pytest.mark.parametrize("reference", ["", " "])
def test_an_empty_name_is_not_the_working_directory(reference: str) -> None:
    """As a variable that is not set makes it."""
    with pytest.raises(CheckpointError, match="--model is empty"):
        resolve_model(reference)


def test_a_hub_id_offline_is_one_line() -> None:
    """It says what to do instead."""
    with pytest.raises(
        CheckpointError, match=r"^cannot get .*; download it elsewhere and give its directory"
    ) as caught:
        resolve_model("coda-eval-tests/not-a-model")
    assert "\n" not in str(caught.value)
