"""The scratch directory is emptied whatever a program made of it, and nothing beyond it is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from coda_sandbox import cleanup

# The supervisor, which forks, never has JAX in it. This process may, from other tests, and JAX warns of any fork.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """An empty scratch directory beside other files."""
    directory = tmp_path / "scratch"
    directory.mkdir()
    return directory


def test_files_and_nested_directories_go(scratch: Path) -> None:
    """However deep."""
    deep = scratch
    for _ in range(200):
        deep = deep / "d"
        deep.mkdir()
    (deep / "file").write_text("x")
    assert cleanup.empty_directory(scratch, uids=(None,))
    assert list(scratch.iterdir()) == []


def test_unreadable_directories_go(scratch: Path) -> None:
    """A program cannot hide files behind permissions."""
    (scratch / "secret" / "deeper").mkdir(parents=True)
    (scratch / "secret" / "deeper" / "file").write_text("x")
    (scratch / "secret" / "deeper").chmod(0)
    (scratch / "secret").chmod(0)
    assert cleanup.empty_directory(scratch, uids=(None,))


def test_links_are_removed_and_not_followed(scratch: Path) -> None:
    """What they point to stays."""
    outside = scratch.parent / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (scratch / "link").symlink_to(outside)
    (scratch / "broken").symlink_to("nowhere")
    assert cleanup.empty_directory(scratch, uids=(None,))
    assert (outside / "precious").exists()
