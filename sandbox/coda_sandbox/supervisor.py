"""The job loop: for each program a fresh untrusted process and the trusted tester of its tests, one verdict, then
nothing left.

On standard input, for each job, two or three frames: a header, the tests if the header announces them, the program's
source. The header is all that this process reads. The tests are read by the tester, which stays for the programs that
follow, and the source by the program's process, so that a program, which is a fork of this process, finds neither tests
nor other programs in its memory. On standard output: one `ready` frame, then one verdict for each job; before that of a
reference, a frame with its answers, which its tester writes.

    header   {"entry_point": str, "tests": str, "tests_follow": bool, "numpy": bool,
              "cpu_s": float, "input_cpu_s": float, "waiting_s": float, "memory_mb": int}
    tests    see `tester.py`
    source   UTF-8, lone surrogates allowed
    ready    {"ready": 2, "python": str, "numpy": str | null, "isolated": bool}
    verdict  {"status": str, "detail": str, "output": str, "cpu_s": float, "wall_s": float, "recycle": str}

`status` is one of `passed failed timeout out_of_memory output_limit killed syntax_error`, or `broken_tests` (the tests
fail by themselves), `tests_missing` (their tester is gone: send them again) or `trouble` (this sandbox failed; the
program must be run again in another). A `recycle` that is not empty says why this sandbox must not be used again.

Isolated means: PID 1 of a container with the capabilities SETUID, SETGID and KILL. Otherwise programs run as the
present user, and can interfere with this process.
"""

import json
import mmap
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from coda_sandbox import cleanup, frames, interpreter, limits, output, program, tester
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

    def __init__(self, requests: int, host: int, *, isolated: bool, scratch: Path) -> None:
        self._requests = requests
        self._host = host
        self._isolated = isolated
        self._scratch = scratch
        self._tester_uid = limits.TESTER_UID if isolated else None
        self._address_space = limits.address_space()
        self._oom_kills = limits.oom_kills()
        self._clock = limits.ContainerClock(contained=isolated)
        self._jobs = 0
        self._testers = Testers()
        self._output = OutputTail()
        self._source_taken = mmap.mmap(-1, 1)
        """Shared with the program's process, which sets it when it has read the source."""

    def run(self, header: Header, *, spare: tuple[int, ...] = ()) -> dict[str, Any]:
        """Run one job to its verdict and remove every trace of it.

        Args:
            header: what to run.
            spare: children of this process that are nobody's program.

        Raises:
            frames.ChannelClosed: the host is gone.
        """
        started = time.monotonic()
        trusted = self._take_tester(header)
        if trusted is None:
            self._skip_source()
            return {"status": "tests_missing", "detail": "", "output": "", "cpu_s": 0.0, "wall_s": 0.0, "recycle": ""}
        uid = limits.PROGRAM_UIDS[self._jobs % len(limits.PROGRAM_UIDS)] if self._isolated else None
        self._jobs += 1
        self._output.clear()
        self._source_taken[0] = 0

        tester_end, program_end = socket.socketpair()
        program_pid = self._fork(lambda: self._be_program(program_end.fileno(), header, uid))
        program_end.close()
        watch = Watch(program_pid, trusted, self._requests, self._clock, cpu_s=header.cpu_s, waiting_s=header.waiting_s)
        try:
            # Made only now: the program's process was forked without it.
            secret = os.urandom(16).hex()
            trusted.order(tester_end, json.dumps([secret, header.input_cpu_s]).encode())
            verdict = watch.wait(secret)
            tester_cpu_s = watch.tester_cpu_s()
        finally:
            watch.close()
            tester_end.close()
            if not watch.tester_answered:
                self._testers.drop(header.tests)
            ended, spared = cleanup.kill_program(
                program_pid, keep=(*spare, *self._testers.pids()), contained=self._isolated
            )
            if not spared:
                self._testers.forget()
        if not self._source_taken[0]:
            raise RuntimeError("the process of a program ended before it had read its source")
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

    def _fork(self, body: Callable[[], None]) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                body()
            finally:
                os._exit(1)
        return pid

    def _take_tester(self, header: Header) -> Tester | None:
        if not header.tests_follow:
            return self._testers.take(header.tests)
        self._testers.drop(header.tests)
        ours, theirs = socket.socketpair()
        pid = self._fork(lambda: self._be_tester(theirs, header))
        theirs.close()
        tester_ = Tester(pid, ours)
        if not ours.recv(1):  # it has read its tests: nobody else may read from standard input until then
            raise RuntimeError("a tester died at its start")
        self._testers.add(header.tests, tester_)
        return tester_

    def _skip_source(self) -> None:
        pid = self._fork(lambda: os._exit(len(frames.read_frame(self._requests, _INPUT_LIMIT)) * 0))
        os.waitpid(pid, 0)

    def _be_program(self, channel: int, header: Header, uid: int | None) -> None:
        source = frames.read_frame(self._requests, _INPUT_LIMIT)
        self._source_taken[0] = 1
        self._source_taken.close()
        self._confine(header, uid, (channel,), cpu_s=header.cpu_s)
        self._output.capture_streams()
        # The program's own stack starts here, as far from the recursion limit as can be.
        program.serve(channel, source, header.entry_point)
        os._exit(0)

    def _be_tester(self, control: socket.socket, header: Header) -> None:
        tests = frames.read_frame(self._requests, _INPUT_LIMIT)
        control.send(b"!")
        self._confine(header, self._tester_uid, (self._host, control.fileno()), cpu_s=None)
        tester.serve(control, tests, self._host)

    def _confine(self, header: Header, uid: int | None, keep_fds: tuple[int, ...], *, cpu_s: float | None) -> None:
        limits.confine(
            uid=uid,
            cpu_s=cpu_s,
            memory_mb=header.memory_mb,
            address_space=self._address_space,
            keep_fds=keep_fds,
        )
        os.dup2(0, 2)  # 0 and 1 are /dev/null in the supervisor already
        random.seed(0)  # here, because Python seeds anew after a fork; numpy does not

    def _explain_end(self, ended: cleanup.Ended, header: Header) -> Verdict:
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


class NumpyServer:
    """A second supervisor that has numpy loaded, for the programs and tests that name it: forks of it cost twice.

    It is made when it is first needed, and is a child of the first one, which waits while it runs a job.
    """

    def __init__(self, requests: int, host: int, *, isolated: bool, scratch: Path) -> None:
        self._requests = requests
        self._host = host
        self._isolated = isolated
        self._scratch = scratch
        self._pid = 0
        self._control: socket.socket | None = None

    def pids(self) -> tuple[int, ...]:
        """Its process, if there is one."""
        return (self._pid,) if self._pid else ()

    def run(self, header: Header) -> None:
        """Have it read the rest of a job, run it, and answer the host.

        Raises:
            frames.ChannelClosed: it, or the host, is gone.
        """
        if self._control is None:
            self._control, theirs = socket.socketpair()
            self._pid = os.fork()
            if self._pid == 0:
                try:
                    self._control.close()
                    self._serve(theirs)
                finally:
                    os._exit(1)
            theirs.close()
        frames.write_frame(self._control.fileno(), json.dumps(header).encode())
        if not self._control.recv(1):
            raise frames.ChannelClosed

    def _serve(self, control: socket.socket) -> None:
        # What programs leave behind comes to this process; everything of theirs is below it.
        limits.protect_supervisor(contained=False)
        interpreter.prepare(numpy=True)
        supervisor = Supervisor(self._requests, self._host, isolated=self._isolated, scratch=self._scratch)
        while True:
            header = Header(*json.loads(frames.read_frame(control.fileno(), _HEADER_LIMIT)))
            frames.write_frame(self._host, json.dumps(supervisor.run(header)).encode())
            control.send(b"!")


def _printable(text: str, limit: int) -> str:
    """A program's words, fit for a log: bounded, no control characters, no lone surrogates, which no encoding takes."""
    return text.encode("utf-8", "backslashreplace").decode().translate(_ESCAPED).strip()[:limit]


def main() -> int:
    """Serve jobs from standard input until it ends."""
    requests, host = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    isolated = os.getpid() == 1 and os.getuid() == 0
    limits.protect_supervisor(contained=isolated)
    interpreter.prepare(numpy=False)
    scratch = Path(os.environ.get("TMPDIR", "/tmp"))
    if not isolated:
        scratch /= f"coda-eval-{os.urandom(8).hex()}"
        scratch.mkdir(mode=0o700)
    os.chdir(scratch)
    try:
        ready = {
            "ready": PROTOCOL,
            "python": ".".join(map(str, sys.version_info[:3])),
            "numpy": interpreter.numpy_version(),
            "isolated": isolated,
        }
        frames.write_frame(host, json.dumps(ready).encode())
        with_numpy = NumpyServer(requests, host, isolated=isolated, scratch=scratch)
        supervisor = Supervisor(requests, host, isolated=isolated, scratch=scratch)
        while True:
            header = Header(**json.loads(frames.read_frame(requests, _HEADER_LIMIT)))
            if header.numpy:
                with_numpy.run(header)
                continue
            verdict = supervisor.run(header, spare=with_numpy.pids())
            frames.write_frame(host, json.dumps(verdict).encode())
    except frames.ChannelClosed:
        return 0
    finally:
        if not isolated:
            cleanup.empty_directory(scratch, uids=(None,))
            os.chdir("/")
            scratch.rmdir()
