"""Sandboxes that are child processes of this one: for trusted programs, and where no container engine is.

The same supervisor runs, with the same limits on time, memory and output, and verdicts are just as hard to forge.
NOT contained: a program has the user, the files, the network and the processes of whoever started this. In particular
it can read and delete files, connect anywhere, leave processes behind if it forks fast enough, fill the disk, and kill
the supervisor (which then is replaced).
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading

from coda_eval.assets import asset
from coda_eval.config import ExecutionConfig
from coda_eval.execution.channel import Channel
from coda_eval.execution.pool import SandboxPool

ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""What programs find in the environment, in every sandbox: the same results on every machine."""

WARNING = (
    "warning: --executor local does not isolate programs: they run as you, with your files and your network. "
    "Use it for programs that you trust, and --executor docker for others."
)

_EXIT_PATIENCE_S = 10.0
_warned = threading.Event()


class ProcessStream:
    """A supervisor as a child process."""

    def __init__(self) -> None:
        # The variables by which an interpreter finds itself and its libraries; none that could hold a secret.
        inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
        # No preexec_fn, no user: so the child is made by vfork, and the threads of JAX in this process do not matter.
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-B", str(asset("sandbox", "runner.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**inherited, **ENVIRONMENT},
            start_new_session=True,
        )

    def write(self, payload: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(payload)
        try:
            while view:
                view = view[self._process.stdin.write(view) or 0 :]
        except ValueError as error:
            raise OSError("interrupted") from error

    def read(self, count: int, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        poller = select.poll()
        poller.register(self._process.stdout, select.POLLIN)
        if not poller.poll(timeout_s * 1000):
            raise TimeoutError
        return self._process.stdout.read(count) or b""

    def interrupt(self) -> None:
        assert self._process.stdin is not None
        # At the end of its input the supervisor kills what it runs and leaves.
        self._process.stdin.close()

    def close(self) -> None:
        self.interrupt()
        try:
            self._process.wait(_EXIT_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def diagnosis(self) -> str:
        try:
            code: int | None = self._process.wait(_EXIT_PATIENCE_S)
        except subprocess.TimeoutExpired:
            code = None
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        said = (self._process.stderr.read(1 << 16) or b"").decode(errors="replace").strip()
        last = said.splitlines()[-1] if said else ""
        return " ".join(part for part in (f"exit status {code}" if code is not None else "", last) if part)


def local_executor(config: ExecutionConfig) -> SandboxPool:
    """An executor without containers. Warns on stderr, once a process, that programs are not isolated."""
    if not _warned.is_set():
        _warned.set()
        print(WARNING, file=sys.stderr)
    return SandboxPool(
        lambda _: Channel(ProcessStream()),
        config=config,
        workers=config.workers or os.cpu_count() or 1,
        description={"executor": "local", "isolation": "none"},
        close=lambda: None,
    )
