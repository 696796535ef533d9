"""Nothing of a program survives it: every process is killed and reaped, the scratch directory emptied."""

import contextlib
import os
import signal
import stat
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

_PATIENCE_S = 5.0


class Ended(NamedTuple):
    """How a process ended."""

    status: int
    """As `wait` gives it."""
    cpu_s: float
    """What it and its own reaped children used."""


def kill_program(pid: int, *, keep: Collection[int], contained: bool) -> tuple[Ended, bool]:
    """Kill and reap the process of a program, and everything that it has started.

    Args:
        pid: a child of this process.
        keep: the other children of this process, which must live on if they can.
        contained: as in `kill_everything`.

    Returns:
        How it ended, and whether `keep` was spared: they die with the rest where the program leaves processes behind.
    """
    os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    ended = Ended(status, usage.ru_utime + usage.ru_stime)
    # What it has left behind is a child of this process now, or below one: all of its ancestors within the program are
    # dead. Only this process takes a child off the list, so that none is missed while the list is read.
    if set(_children()) <= set(keep):
        return ended, True
    kill_everything(contained=contained)
    return ended, False


def kill_everything(*, contained: bool) -> None:
    """Kill and reap all descendants of this process.

    In a container everything but PID 1 and this process dies at one blow. Outside, only descendants are looked for, and
    one that forks faster than it is found can get away.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        if contained:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        else:
            _kill_children()
        try:
            while True:
                # In a container one kill reached all there is, so that waiting cannot block for long.
                if os.waitpid(-1, 0 if contained else os.WNOHANG)[0] == 0:
                    break
        except ChildProcessError:
            return
        if time.monotonic() > deadline:
            raise RuntimeError("processes of a program could not be killed")
        time.sleep(0.0005)


def _kill_children() -> None:
    for pid in _children():
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_bytes().split()]


def empty_directory(directory: Path, *, uids: tuple[int | None, ...]) -> bool:
    """Delete what is in `directory`, as each of the users in turn; returns whether it is empty.

    The supervisor has no power over other users' files, and a program may have made its own unreadable: only a process
    under the program's user can open them again. None stands for the present user.
    """
    for uid in uids:
        if _is_empty(directory):
            return True
        pid = os.fork()
        if pid == 0:
            try:
                if uid is not None:
                    os.setgroups([])
                    os.setresgid(uid, uid, uid)
                    os.setresuid(uid, uid, uid)
                _delete_contents(directory)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    return _is_empty(directory)


def _is_empty(directory: Path) -> bool:
    with os.scandir(directory) as entries:
        return next(entries, None) is None


def _delete_contents(directory: Path) -> None:
    # An explicit stack: a program can nest directories deeper than Python recurses. Links are never followed.
    pending, emptied = [directory], []
    while pending:
        here = pending.pop()
        emptied.append(here)
        try:
            if here != directory:
                here.chmod(stat.S_IRWXU)
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    else:
                        Path(entry.path).unlink()
        except OSError:
            continue  # another user's: left for the process under that user
    for here in reversed(emptied[1:]):
        with contextlib.suppress(OSError):
            here.rmdir()
