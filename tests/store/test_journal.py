"""An append-only file of JSON lines."""

import resource
import threading
from pathlib import Path

import pytest

from coda_eval.errors import StoreError
from coda_eval.store.journal import Journal, read_journal


def rows(path: Path) -> list[dict[str, object]]:
    return [row.fields for row in read_journal(path)]


def write(path: Path, *new: dict[str, object]) -> None:
    journal = Journal(path)
    for row in new:
        journal.append(row)
    journal.close()


def test_what_is_appended_is_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    write(path, {"n": 1}, {"n": 2})
    write(path, {"n": 3})
    assert rows(path) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_missing_file_has_no_rows(tmp_path: Path) -> None:
    assert rows(tmp_path / "none.jsonl") == []


def test_a_line_is_readable_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    """So that a killed process loses none: nothing waits in a buffer of the process."""
    journal = Journal(tmp_path / "j.jsonl")
    journal.append({"n": 1})
    assert rows(journal.path) == [{"n": 1}]
    journal.close()


def test_the_last_line_may_be_torn_at_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    write(path, {"n": 1}, {"text": "x" * 70_000})  # longer than the block that is searched at a time
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in [*range(first, first + 20), *range(len(whole) - 3, len(whole))]:
        path.write_bytes(whole[:length])
        assert rows(path) == [{"n": 1}]
        write(path, {"n": 2})
        assert rows(path) == [{"n": 1}, {"n": 2}]


def test_a_file_of_one_torn_line_becomes_empty(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(b'{"n": 1')
    write(path)
    assert path.read_bytes() == b""


def test_damage_before_the_end_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(b'{"n": 1}\n\x00\x00\n{"n": 3}\n')
    with pytest.raises(StoreError, match=r"j\.jsonl: line 2 is not JSON"):
        rows(path)


def test_a_full_disk_leaves_no_part_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    journal.append({"n": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(StoreError, match=r"cannot be written .*run the same command again"):
            journal.append({"text": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b'{"n": 1}\n'
    journal.append({"n": 2})
    journal.close()
    assert rows(path) == [{"n": 1}, {"n": 2}]


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")

    def append(thread: int) -> None:
        for n in range(100):
            journal.append({"thread": thread, "n": n, "text": "x" * 500})

    threads = [threading.Thread(target=append, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert {(row["thread"], row["n"]) for row in rows(journal.path)} == {(t, n) for t in range(4) for n in range(100)}
