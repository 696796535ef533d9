"""What Linux enforces on a process: user ids, rlimits, CPU clocks; and what the container's cgroup counted."""

import contextlib
import ctypes
import math
import os
import resource
import signal
import time
from pathlib import Path

TESTER_UID = 10_001
PROGRAM_UIDS = range(20_000, 60_000)
"""Every program gets the next one, so that nothing left by one belongs to another."""

_MEBIBYTE = 1 << 20
_FILE_SIZE = 16 * _MEBIBYTE
_OPEN_FILES = 64

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_libc = ctypes.CDLL(None, use_errno=True)

# cgroup v2, then v1: files whose `oom_kill` line counts the processes killed for memory.
_OOM_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))

# In the same way, what the CPUs have spent on the container.
_CPU_COUNTERS = ((2, "/sys/fs/cgroup/cpu.stat"), (1, "/sys/fs/cgroup/cpuacct/cpuacct.usage"))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value}) failed")


def protect_supervisor(*, contained: bool) -> None:
    """Make this process and its forks unreadable to others, and orphans of programs its children."""
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if not contained:  # PID 1 gets the orphans anyway
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def confine(
    *, uid: int | None, cpu_s: float | None, memory_mb: int, address_space: int, keep_fds: tuple[int, ...]
) -> None:
    """Give up everything in a freshly forked child that its program must not have.

    Args:
        uid: the user to become; None keeps the user (there is no privilege to give up).
        cpu_s: CPU seconds. The supervisor watches them exactly; the kernel's limit, in whole seconds, stands behind it.
            None sets none: for a process that serves many programs.
        memory_mb: address space beyond what the interpreter occupies already.
        address_space: bytes that it occupies.
        keep_fds: the only descriptors above 2 that stay open.
    """
    os.setsid()
    # The kernel takes this process first when memory runs out. Must precede the change of user.
    # Outside a container the file may not be ours to write. (System calls, as every page that a fork touches costs.)
    with contextlib.suppress(OSError):
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(score, b"1000")
        os.close(score)
    if uid is None:
        # Outside a container nothing else ends this process with the supervisor.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _close_others(keep_fds)
    memory = address_space + memory_mb * _MEBIBYTE
    bounds = [
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, _FILE_SIZE, _FILE_SIZE),
        (resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0, 0),
    ]
    if cpu_s is not None:
        seconds = math.ceil(cpu_s) + 1
        bounds.append((resource.RLIMIT_CPU, seconds, seconds + 1))
    for kind, soft, hard in bounds:
        _, allowed = resource.getrlimit(kind)
        if allowed != resource.RLIM_INFINITY:
            soft, hard = min(soft, allowed), min(hard, allowed)
        resource.setrlimit(kind, (soft, hard))


def _close_others(keep_fds: tuple[int, ...]) -> None:
    low = 3
    for fd in sorted(keep_fds):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 1 << 16)


def address_space() -> int:
    """Bytes of address space that this process occupies."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def cpu_seconds(pid: int) -> float:
    """CPU time used so far by all threads of process `pid`; 0 when it is gone.

    The clock of another process has the id that clock_getcpuclockid(3) computes: the inverted pid, then 0b010.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


class ContainerClock:
    """CPU time of all processes of this container together, those that no longer live included.

    A program's own clock does not show what its children use.
    """

    def __init__(self, *, contained: bool) -> None:
        """Outside a container, and where its cgroup cannot be read, it stands still."""
        self._file: int | None = None
        self._version = 2
        for version, path in _CPU_COUNTERS if contained else ():
            with contextlib.suppress(OSError):
                self._file, self._version = os.open(path, os.O_RDONLY | os.O_CLOEXEC), version
                return

    def seconds(self) -> float:
        """Since the container started."""
        if self._file is None:
            return 0.0
        content = os.pread(self._file, 200, 0)
        if self._version == 1:
            return int(content) / 1e9
        return int(content.split()[1]) / 1e6  # the first line is `usage_usec N`


def starved_seconds(pid: int) -> float:
    """How long process `pid` was ready to run and did not get a CPU; 0 where the kernel does not tell."""
    try:
        file = os.open(f"/proc/{pid}/schedstat", os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        return int(os.read(file, 100).split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
    finally:
        os.close(file)


def oom_kills() -> int:
    """Processes of this container killed for memory so far; 0 where the cgroup does not tell."""
    for path in _OOM_COUNTERS:
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0
