"""Nothing of a program survives it: every process is killed and reaped, the scratch directory emptied."""

import contextlib
import os
import signal
import stat
import time
from pathlib import Path

_PATIENCE_S = 5.0


def kill_everything(*, contained: bool) -> dict[int, tuple[int, float]]:
    """Kill and reap all descendants of this process.

    In a container this process is PID 1, and everything else in the PID namespace is a program's. Outside, only
    descendants are looked for, and one that forks faster than it is found can get away.

    Returns:
        For each process reaped: its wait status and the CPU seconds that it and its own reaped children used.
    """
    ended: dict[int, tuple[int, float]] = {}
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
                pid, status, usage = os.wait4(-1, 0 if contained else os.WNOHANG)
                if pid == 0:
                    break
                ended[pid] = (status, usage.ru_utime + usage.ru_stime)
        except ChildProcessError:
            return ended
        if time.monotonic() > deadline:
            return ended
        time.sleep(0.0005)


def _kill_children() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for pid in map(int, children):
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
