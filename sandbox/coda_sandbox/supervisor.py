"""The job loop: for each program a fresh untrusted process and the trusted tester of its tests, one verdict, then
nothing left.

On standard input, for each job, two or three frames: a header, the tests if the header announces them, the program's
source. On standard output: one `ready` frame, then one verdict for each job; before that of a reference, a frame with
its answers, which its tester writes.

    header   {"entry_point": str, "tests": str, "tests_follow": bool, "numpy": bool,
              "cpu_s": float, "input_cpu_s": float, "waiting_s": float, "memory_mb": int}
    tests    see `tester.py`
    source   UTF-8, lone surrogates allowed
    ready    {"ready": 2, "python": str, "numpy": str | null, "isolated": bool}
    verdict  {"status": str, "detail": str, "output": str, "cpu_s": float, "wall_s": float, "recycle": str}

`status` is one of `passed failed timeout out_of_memory output_limit killed syntax_error`, or `broken_tests` (the tests
fail by themselves), `tests_missing` (their tester is gone: send them again) or `trouble` (this sandbox failed; the
program must be run again in another). A `recycle` that is not empty says why this sandbox must not be used again.

Processes are made by the fork server (`fork_server.py`), which is also the parent of this process: it would pay for
each fork once more with every page that it writes to afterwards.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from coda_sandbox import cleanup, frames, interpreter, limits, output, program
from coda_sandbox.forks import Ended, Forks
from coda_sandbox.output import OutputTail
from coda_sandbox.remote import DETAIL_LIMIT
from coda_sandbox.testers import Tester, Testers
from coda_sandbox.watch import Verdict, Watch

PROTOCOL = 2

_HEADER_LIMIT = 1 << 16
_INPUT_LIMIT = 1 << 30


# Control characters but tabs and line breaks: they could take over the terminal that shows them.
_ESCAPED = {number: f"\\x{number:02x}" for number in (*range(9), *range(11, 32), *range(127, 160))}


class Header(NamedTuple):
    """The part of a job that the supervisor reads."""

    entry_point: str
    tests: str
    tests_follow: bool
    numpy: bool
    cpu_s: float
    input_cpu_s: float
    waiting_s: float
    memory_mb: int


class Supervisor:
    """Runs jobs one at a time; `isolated` decides whether programs get users of their own."""

    def __init__(self, host: int, root: Forks, tail: OutputTail, *, isolated: bool, scratch: Path) -> None:
        self._host = host
        self._root = root
        self._numpy: Forks | None = None
        """Made when it is first needed."""
        self._output = tail
        self._isolated = isolated
        self._scratch = scratch
        self._tester_uid = limits.TESTER_UID if isolated else None
        self._oom_kills = limits.oom_kills()
        self._clock = limits.ContainerClock(contained=isolated)
        self._jobs = 0
        self._testers = Testers()

    def run(self, header: Header, tests: bytes | None, source: bytes, *, requests: int) -> dict[str, Any]:
        """Run one job to its verdict and remove every trace of it.

        Args:
            header: what to run.
            tests: what judges it; None where their tester should be there already.
            source: the program.
            requests: closed at the other end when the host is gone.

        Raises:
            frames.ChannelClosed: the host is gone, or a fork server.
        """
        started = time.monotonic()
        forks = self._forks(header)
        if tests is not None:
            self._testers.drop(header.tests)
            self._testers.add(header.tests, self._make_tester(forks, tests, header))
        trusted = self._testers.take(header.tests)
        if trusted is None:
            return {"status": "tests_missing", "detail": "", "output": "", "cpu_s": 0.0, "wall_s": 0.0, "recycle": ""}
        uid = limits.PROGRAM_UIDS[self._jobs % len(limits.PROGRAM_UIDS)] if self._isolated else None
        self._jobs += 1
        self._output.clear()

        tester_end, program_end = socket.socketpair()
        with program_end:
            bounds = limits.Bounds(uid, header.memory_mb, header.cpu_s)
            program_pid = forks.program(header.entry_point, bounds, program_end)
        watch = Watch(program_pid, trusted, requests, self._clock, cpu_s=header.cpu_s, waiting_s=header.waiting_s)
        try:
            with contextlib.suppress(frames.ChannelClosed):  # how the program's process ended will tell
                frames.write_frame(tester_end.fileno(), source)
            secret = os.urandom(16).hex()
            trusted.order(tester_end, json.dumps([secret, header.input_cpu_s]).encode())
            verdict = watch.wait(secret)
            tester_cpu_s = watch.tester_cpu_s()
        finally:
            watch.close()
            tester_end.close()
            if not watch.tester_answered:
                self._testers.drop(header.tests)
            ended = self._end(program_pid, forks)
        if verdict is None:
            verdict = self._explain_end(ended, header)
        oom_before, self._oom_kills = self._oom_kills, limits.oom_kills()
        if self._oom_kills > oom_before and verdict.status not in ("passed", "syntax_error"):
            verdict = Verdict("out_of_memory", "the kernel killed it for memory")
        clean = cleanup.empty_directory(self._scratch, uids=(uid, self._tester_uid))
        return {
            "status": verdict.status,
            "detail": _printable(verdict.detail, DETAIL_LIMIT).replace("\n", " "),
            "output": "" if verdict.status == "passed" else _printable(self._output.text(), output.LIMIT),
            "cpu_s": round(ended.cpu_s + tester_cpu_s, 4),
            "wall_s": round(time.monotonic() - started, 4),
            "recycle": "" if clean else "files of a program could not be removed",
        }

    def _forks(self, header: Header) -> Forks:
        if not header.numpy:
            return self._root
        if self._numpy is None:
            self._numpy = self._root.with_numpy()
        return self._numpy

    def _make_tester(self, forks: Forks, tests: bytes, header: Header) -> Tester:
        ours, theirs = socket.socketpair()
        with theirs:
            bounds = limits.Bounds(self._tester_uid, header.memory_mb)
            tester = Tester(forks.tester(bounds, theirs, self._host), ours, forks)
        frames.write_frame(ours.fileno(), tests)
        return tester

    def _end(self, program_pid: int, forks: Forks) -> Ended:
        """Kill and reap the process of a program, and what it has left behind."""
        keep = {os.getpid(), *self._testers.pids()}
        if self._numpy is not None:
            keep.add(self._numpy.pid)
        ended, spared = cleanup.kill_program(program_pid, forks, self._root, keep=keep, contained=self._isolated)
        if not spared:
            self._testers.forget()
            if self._numpy is not None:
                self._numpy.close()
                self._numpy = None
        return ended

    def _explain_end(self, ended: Ended, header: Header) -> Verdict:
        """The verdict on a program whose process ended before its tests did."""
        if os.WIFSIGNALED(ended.status):
            number = os.WTERMSIG(ended.status)
            if number == signal.SIGPROF:
                return Verdict("timeout", f"over {header.input_cpu_s:g} s of CPU time for one input")
            if number == signal.SIGXCPU or (number == signal.SIGKILL and ended.cpu_s >= header.cpu_s):
                return Verdict("timeout", f"over {header.cpu_s:g} s of CPU time")
            return Verdict("killed", f"signal {number} ({signal.Signals(number).name})")
        code = os.WEXITSTATUS(ended.status)
        if code == program.OUT_OF_MEMORY_EXIT:
            return Verdict("out_of_memory", "MemoryError")
        return Verdict("failed", f"exited early with status {code}")


def _printable(text: str, limit: int) -> str:
    """A program's words, fit for a log: bounded, no control characters, no lone surrogates, which no encoding takes."""
    return text.encode("utf-8", "backslashreplace").decode().translate(_ESCAPED).strip()[:limit]


def run(requests: int, host: int, control: socket.socket, tail: OutputTail, *, isolated: bool, scratch: str) -> int:
    """Run the jobs that come on `requests` until it ends.

    Args:
        requests: see above.
        host: where verdicts go.
        control: to the fork server, the parent of this process.
        tail: where programs print.
        isolated: whether this is a container.
        scratch: the one directory that programs can write to.
    """
    supervisor = Supervisor(host, Forks(control, os.getppid()), tail, isolated=isolated, scratch=Path(scratch))
    try:
        ready = {
            "ready": PROTOCOL,
            "python": ".".join(map(str, sys.version_info[:3])),
            "numpy": interpreter.numpy_version(),
            "isolated": isolated,
        }
        frames.write_frame(host, json.dumps(ready).encode())
        while True:
            header = Header(**json.loads(frames.read_frame(requests, _HEADER_LIMIT)))
            tests = frames.read_frame(requests, _INPUT_LIMIT) if header.tests_follow else None
            source = frames.read_frame(requests, _INPUT_LIMIT)
            verdict = supervisor.run(header, tests, source, requests=requests)
            frames.write_frame(host, json.dumps(verdict).encode())
    except frames.ChannelClosed:
        return 0
