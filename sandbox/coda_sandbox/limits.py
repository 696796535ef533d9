"""What Linux enforces on a process: user ids, rlimits, CPU clocks; and what the container's cgroup counted."""

import contextlib
import ctypes
import math
import os
import resource
import signal
import time
from collections.abc import Collection
from typing import NamedTuple

TESTER_UID = 10_001
PROGRAM_UIDS = range(20_000, 60_000)
"""Every program gets the next one, so that nothing left by one belongs to another."""

_MEBIBYTE = 1 << 20
_FILE_LIMITS = (
    (resource.RLIMIT_FSIZE, 16 * _MEBIBYTE),
    (resource.RLIMIT_NOFILE, 64),
    (resource.RLIMIT_CORE, 0),
)

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_libc = ctypes.CDLL(None, use_errno=True)

# cgroup v2, then v1: files whose `oom_kill` line counts the processes killed for memory.
_OOM_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")

# In the same way, what the CPUs have spent on the container.
_CPU_COUNTERS = ((2, "/sys/fs/cgroup/cpu.stat"), (1, "/sys/fs/cgroup/cpuacct/cpuacct.usage"))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value}) failed")


def protect_supervisor(*, contained: bool) -> None:
    """Make this process and its forks unreadable to others, and orphans of programs its children; bound their files."""
    _prctl(_PR_SET_DUMPABLE, 0)
    for kind, most in _FILE_LIMITS:
        _lower_limit(kind, most, most)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if not contained:  # PID 1 gets the orphans anyway
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def stay_on_cpu(number: str) -> None:
    """Keep this process and its forks on one of the CPUs that it may use, by number; anywhere, if there is none."""
    if number:
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpus[int(number) % len(cpus)]})


class Bounds(NamedTuple):
    """What a process may be and use."""

    uid: int | None
    """The user to become; None keeps the user (there is no privilege to give up)."""
    memory_mb: int
    """Address space beyond what the interpreter occupies already."""
    cpu_s: float | None = None
    """CPU seconds. The supervisor watches them exactly; the kernel's limit, in whole seconds, stands behind it. None
    sets none: for a process that serves many programs."""


def confine(bounds: Bounds, *, address_space: int, keep_fds: Collection[int]) -> None:
    """Give up everything in a freshly forked child that its program must not have.

    Args:
        bounds: what it keeps.
        address_space: bytes that the interpreter occupies.
        keep_fds: the only descriptors above 2 that stay open.
    """
    uid, memory_mb, cpu_s = bounds
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
    close_others(keep_fds)
    os.dup2(0, 2)  # 0 and 1 are /dev/null in the fork server already
    memory = address_space + memory_mb * _MEBIBYTE
    _lower_limit(resource.RLIMIT_AS, memory, memory)
    if cpu_s is not None:
        seconds = math.ceil(cpu_s) + 1
        _lower_limit(resource.RLIMIT_CPU, seconds, seconds + 1)


def _lower_limit(kind: int, soft: int, hard: int) -> None:
    _, allowed = resource.getrlimit(kind)
    if allowed != resource.RLIM_INFINITY:
        soft, hard = min(soft, allowed), min(hard, allowed)
    resource.setrlimit(kind, (soft, hard))


def close_others(keep_fds: Collection[int]) -> None:
    """Close all descriptors above 2 but these."""
    low = 3
    for fd in sorted(keep_fds):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 1 << 16)


def address_space() -> int:
    """Bytes of address space that this process occupies."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
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
            with open(path) as file:
                lines = file.readlines()
        except OSError:
            continue
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0
