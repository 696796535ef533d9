"""Nothing of a program survives it: every process is killed and reaped, the scratch directory emptied."""

import contextlib
import os
import signal
import stat
import time
from collections.abc import Set
from pathlib import Path

from coda_sandbox.forks import Ended, Forks

_PATIENCE_S = 5.0


def kill_program(pid: int, forks: Forks, root: Forks, *, keep: Set[int], contained: bool) -> tuple[Ended, bool]:
    """Kill and reap the process of a program, and everything that it has started.

    Args:
        pid: the program's process.
        forks: the server that has made it.
        root: the first server: what programs leave behind comes to it.
        keep: the other children of the first server, which must live on if they can.
        contained: as in `kill_everything`.

    Returns:
        How it ended, and whether `keep` was spared: all die but this process where the program leaves processes behind.
    """
    os.kill(pid, signal.SIGKILL)
    ended = forks.reap(pid)
    # What it has left behind is a child of the first server now, or below one: all of its ancestors within the program
    # are dead. Only the server takes a child off the list, and it waits for orders while the list is read.
    if root.children() <= keep:
        return ended, True
    kill_everything(root, contained=contained)
    return ended, False


def kill_everything(root: Forks, *, contained: bool) -> None:
    """Kill and reap all descendants of the first server but this process.

    In a container everything but PID 1 and this process dies at one blow. Outside, only descendants are looked for, and
    one that forks faster than it is found can get away.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        if contained:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        else:
            _kill_each(root.children() - {os.getpid()})
        root.drain()
        if root.children() == {os.getpid()}:
            return
        if time.monotonic() > deadline:
            raise RuntimeError("processes of a program could not be killed")
        time.sleep(0.0005)


def _kill_each(pids: Set[int]) -> None:
    for pid in pids:
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)


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


def remove_directory(directory: Path) -> None:
    """Delete `directory` and what is in it, as the present user."""
    empty_directory(directory, uids=(None,))
    os.chdir("/")
    directory.rmdir()


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
