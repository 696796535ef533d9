"""The job loop: for each program a fresh untrusted process and a fresh trusted tester, one verdict, then nothing left.

On standard input, for each job, three frames: a header, the program's source, the tests. The header is all that this
process reads. The source is read by the program's process and the tests by the tester's, so that a program, which is a
fork of this process, finds neither tests nor other programs in its memory. On standard output: one `ready` frame, then
one verdict for each job.

    header   {"entry_point": str, "cpu_s": float, "wall_s": float, "memory_mb": int}
    source   UTF-8, lone surrogates allowed
    tests    {"setup": str, "code": str}
    ready    {"ready": 1, "python": str, "numpy": str | null, "isolated": bool}
    verdict  {"status": str, "detail": str, "cpu_s": float, "wall_s": float, "recycle": str}

`status` is one of `passed failed timeout out_of_memory output_limit killed syntax_error`, or `broken_tests` (the tests
fail by themselves) or `trouble` (this sandbox failed; the program must be run again in another). A `recycle` that is
not empty says why this sandbox must not be used again.

Isolated means: PID 1 of a container with the capabilities SETUID, SETGID and KILL. Otherwise programs run as the
present user, and can interfere with this process.
"""

import gc
import importlib
import json
import os
import platform
import random
import secrets
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from coda_sandbox import cleanup, frames, limits, program, tester

_HEADER_LIMIT = 1 << 16
_INPUT_LIMIT = 1 << 30
_VERDICT_LIMIT = 1 << 16
_EXIT_GRACE_S = 0.25
"""How long a program that has closed its channel gets to end, so that the way it ended can be told."""

# What programs import most. A module that is loaded already costs them nothing.
_PREIMPORT = (
    *("numpy", "numpy.random", "numpy.linalg", "abc", "bisect", "collections", "collections.abc", "copy"),
    *("dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json"),
    *("math", "operator", "random", "re", "statistics", "string", "time", "typing"),
)


class Header(NamedTuple):
    """The part of a job that the supervisor reads."""

    entry_point: str
    cpu_s: float
    wall_s: float
    memory_mb: int


class Verdict(NamedTuple):
    """The answer to a job."""

    status: str
    detail: str = ""


class Supervisor:
    """Runs jobs one at a time; `isolated` decides whether programs get users of their own."""

    def __init__(self, requests: int, *, isolated: bool, scratch: Path) -> None:
        self._requests = requests
        self._isolated = isolated
        self._scratch = scratch
        self._address_space = limits.address_space()
        self._jobs = 0

    def run(self, header: Header) -> dict[str, Any]:
        """Run one job to its verdict and remove every trace of it."""
        uid = limits.PROGRAM_UIDS[self._jobs % len(limits.PROGRAM_UIDS)] if self._isolated else None
        tester_uid = limits.TESTER_UID if self._isolated else None
        self._jobs += 1
        oom_before = limits.oom_kills()
        started = time.monotonic()

        tester_end, program_end = socket.socketpair()
        arrivals, arrived = os.pipe()
        program_pid = self._fork(lambda: self._be_program(program_end.fileno(), arrived, header, uid))
        program_end.close()
        os.close(arrived)
        self._await_arrival(arrivals)
        os.close(arrivals)

        # Made only now: the program's process was forked without it.
        secret = secrets.token_hex(16)
        verdicts, tester_verdicts = os.pipe()
        tester_pid = self._fork(
            lambda: self._be_tester(tester_end.fileno(), tester_verdicts, secret, header, tester_uid)
        )
        tester_end.close()
        os.close(tester_verdicts)
        self._await_arrival(verdicts)

        watch = _Watch(program_pid, tester_pid, verdicts, self._requests, header, started)
        try:
            verdict = watch.wait(secret)
        finally:
            watch.close()
            ended = cleanup.kill_everything(contained=self._isolated)
        if program_pid not in ended or tester_pid not in ended:
            raise RuntimeError("processes of a program could not be killed")
        if verdict is None:
            verdict = self._explain_end(ended[program_pid], header)
        if limits.oom_kills() > oom_before and verdict.status not in ("passed", "syntax_error"):
            verdict = Verdict("out_of_memory", "the kernel killed it for memory")
        clean = cleanup.empty_directory(self._scratch, uids=(uid, tester_uid))
        return {
            "status": verdict.status,
            "detail": _one_line(verdict.detail),
            "cpu_s": round(ended[program_pid][1] + ended[tester_pid][1], 4),
            "wall_s": round(time.monotonic() - started, 4),
            "recycle": "" if clean else "files of a program could not be removed",
        }

    def _fork(self, body: Callable[[], None]) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                body()
            finally:
                os._exit(1)
        return pid

    def _await_arrival(self, pipe: int) -> None:
        """Wait until a child has read its part of the job; nobody else may read from standard input until then."""
        if not os.read(pipe, 1):
            cleanup.kill_everything(contained=self._isolated)
            raise frames.ChannelClosed

    def _be_program(self, channel: int, arrived: int, header: Header, uid: int | None) -> None:
        source = frames.read_frame(self._requests, _INPUT_LIMIT)
        os.write(arrived, b"!")
        self._confine(header, uid, (channel,))
        # The program's own stack starts here, as far from the recursion limit as can be.
        program.serve(channel, source, header.entry_point)
        os._exit(0)

    def _be_tester(self, channel: int, verdicts: int, secret: str, header: Header, uid: int | None) -> None:
        tests = json.loads(frames.read_frame(self._requests, _INPUT_LIMIT))
        os.write(verdicts, b"!")
        self._confine(header, uid, (channel, verdicts))
        try:
            outcome = tester.run_tests(
                channel, entry_point=header.entry_point, setup=tests["setup"], code=tests["code"]
            )
        except MemoryError:
            outcome = tester.Outcome("out_of_memory", "the tests ran out of memory")
        frames.write_frame(verdicts, json.dumps({"secret": secret, **outcome._asdict()}).encode())
        # Keeps the channel open until the supervisor has looked whether the program is still there.
        while True:
            signal.pause()

    def _confine(self, header: Header, uid: int | None, keep_fds: tuple[int, ...]) -> None:
        limits.confine(
            uid=uid,
            cpu_s=header.cpu_s,
            memory_mb=header.memory_mb,
            address_space=self._address_space,
            keep_fds=keep_fds,
        )
        limits.silence_stdio()
        random.seed(0)  # here, because Python seeds anew after a fork; numpy does not

    def _explain_end(self, ended: tuple[int, float], header: Header) -> Verdict:
        """The verdict on a program whose process ended before its tests did."""
        status, cpu_s = ended
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu_s >= header.cpu_s):
                return Verdict("timeout", f"over {header.cpu_s:g} s of CPU time")
            return Verdict("killed", f"signal {number} ({signal.Signals(number).name})")
        code = os.WEXITSTATUS(status)
        if code == program.OUT_OF_MEMORY_EXIT:
            return Verdict("out_of_memory", "MemoryError")
        return Verdict("failed", f"exited early with status {code}")


class _Watch:
    """Waits for the first of: a verdict, the end of the program's process, a limit, the end of the host."""

    def __init__(
        self, program_pid: int, tester_pid: int, verdicts: int, requests: int, header: Header, started: float
    ) -> None:
        self._program_pid = program_pid
        self._tester_pid = tester_pid
        self._verdicts = verdicts
        self._requests = requests
        self._header = header
        self._deadline = started + header.wall_s
        # The process, not its pipe: a grandchild may hold that open for ever.
        self._program_fd = os.pidfd_open(program_pid)
        self._poller = select.poll()
        self._poller.register(verdicts, select.POLLIN)
        self._poller.register(self._program_fd, select.POLLIN)
        self._poller.register(requests, 0)  # reports only that the host has hung up

    def close(self) -> None:
        os.close(self._verdicts)
        os.close(self._program_fd)

    def wait(self, secret: str) -> Verdict | None:
        """The verdict; None when the program's process ended first and its wait status must tell.

        Raises:
            frames.ChannelClosed: the host is gone.
        """
        while True:
            cpu_left = self._header.cpu_s - self._cpu_used()
            wall_left = self._deadline - time.monotonic()
            if cpu_left <= 0:
                return Verdict("timeout", f"over {self._header.cpu_s:g} s of CPU time")
            if wall_left <= 0:
                return Verdict("timeout", f"over {self._header.wall_s:g} s of wall time")
            # Two processes may compute at once: look again when half of what is left could be used up.
            pause_s = min(wall_left, max(cpu_left / 2, 0.005))
            ready = dict(self._poller.poll(pause_s * 1000 + 1))
            if self._requests in ready:
                raise frames.ChannelClosed
            if self._program_fd in ready:
                return None
            if self._verdicts in ready:
                return self._read_verdict(secret)

    def _cpu_used(self) -> float:
        return limits.cpu_seconds(self._program_pid) + limits.cpu_seconds(self._tester_pid)

    def _read_verdict(self, secret: str) -> Verdict | None:
        try:
            outcome = json.loads(frames.read_frame(self._verdicts, _VERDICT_LIMIT))
        except (frames.ChannelClosed, frames.FrameTooLarge, ValueError):
            if self._cpu_used() >= self._header.cpu_s:
                return Verdict("timeout", f"over {self._header.cpu_s:g} s of CPU time")
            return Verdict("trouble", "the tester ended without a verdict")
        if not secrets.compare_digest(str(outcome.get("secret")), secret):
            return Verdict("trouble", "a verdict without the secret")
        # A program that is gone before its verdict ended early, whatever it had answered until then.
        grace_s = _EXIT_GRACE_S if outcome["channel_closed"] else 0.0
        if select.select([self._program_fd], [], [], grace_s)[0]:
            return None
        return Verdict(outcome["status"], outcome["detail"])


def _one_line(detail: str) -> str:
    """A program's words, fit for a log: bounded, no line breaks, no lone surrogates, which no encoding takes."""
    printable = detail[: 2 * tester.DETAIL_LIMIT].encode("utf-8", "backslashreplace").decode()
    return " ".join(printable.split())[: tester.DETAIL_LIMIT]


def main() -> int:
    """Serve jobs from standard input until it ends."""
    requests, verdicts = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    isolated = os.getpid() == 1 and os.getuid() == 0
    limits.protect_supervisor(contained=isolated)
    numpy = _prepare_interpreter()
    scratch = Path(tempfile.gettempdir() if isolated else tempfile.mkdtemp(prefix="coda-eval-"))
    os.chdir(scratch)
    try:
        ready = {"ready": 1, "python": platform.python_version(), "numpy": numpy, "isolated": isolated}
        frames.write_frame(verdicts, json.dumps(ready).encode())
        supervisor = Supervisor(requests, isolated=isolated, scratch=scratch)
        while True:
            header = Header(**json.loads(frames.read_frame(requests, _HEADER_LIMIT)))
            frames.write_frame(verdicts, json.dumps(supervisor.run(header)).encode())
    except frames.ChannelClosed:
        return 0
    finally:
        if not isolated:
            cleanup.empty_directory(scratch, uids=(None,))
            os.chdir("/")
            scratch.rmdir()


def _prepare_interpreter() -> str | None:
    """Import and seed what every program inherits; returns numpy's version."""
    for name in _PREIMPORT:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)
    # Objects made so far are not looked at again: a collection in a child would copy their pages.
    gc.collect()
    gc.freeze()
    return getattr(numpy, "__version__", None)
