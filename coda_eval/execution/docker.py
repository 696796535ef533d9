"""Sandboxes that are hardened containers, each with the supervisor as PID 1 and its standard streams as only channel.

Guaranteed by the flags below: no network, no writable file but a small private /tmp, no capability in a program's
reach, no new privileges, our own system call filter, limits on processes, memory (no swap) and CPU. Not guaranteed:
anything against a fault of the kernel or of the container runtime, or against side channels.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import uuid
from typing import Any

import docker
from docker.types import LogConfig, Ulimit

from coda_eval.assets import asset
from coda_eval.config import ExecutionConfig
from coda_eval.errors import SandboxError
from coda_eval.execution.channel import Channel
from coda_eval.execution.engine import LABEL_OWNER, LABEL_RUN, connect, engine_errors, owner, remove_abandoned
from coda_eval.execution.expected import ExpectedOutputs
from coda_eval.execution.image import RUNNER, find_image
from coda_eval.execution.local import ENVIRONMENT
from coda_eval.execution.pool import SandboxPool

_SUPERVISOR_MEMORY_MB = 224
"""For the supervisor, the tester and /tmp, beside the program's own memory."""

_TMPFS = "rw,noexec,nosuid,nodev,size=32m,nr_inodes=1024,mode=1777"
_PROCESSES = 64

_CPU = "CODA_EVAL_CPU"
"""Which of its CPUs a sandbox stays on. The processes of one program take turns: on several CPUs they would wait for
each other to wake up, an eighth of the time. Only where there is a sandbox for each CPU, so that none is left idle."""

_STDERR = 2
_STREAM_HEADER = struct.Struct(">BxxxI")
_CHUNK = 1 << 16
_STDERR_KEPT = 2000


class ContainerStream:
    """One container, and the attached socket that carries its standard streams."""

    def __init__(self, client: docker.DockerClient, options: dict[str, Any]) -> None:
        """Start the container.

        Raises:
            SandboxError: the engine failed or is gone.
        """
        self._client = client
        self._closed = False
        self._incoming = bytearray()
        self._stderr = bytearray()
        with engine_errors("starting a sandbox"):
            self._id: str = client.api.create_container(**options)["Id"]
            try:
                # Attached before the start, so that nothing it says is missed.
                self._response = client.api.attach_socket(
                    self._id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                )
                self._socket: socket.socket = self._response._sock
                client.api.start(self._id)
            except BaseException:
                self._remove()
                raise

    def write(self, payload: bytes) -> None:
        self._socket.settimeout(None)
        self._socket.sendall(payload)

    def read(self, count: int, timeout_s: float) -> bytes:
        """The next bytes of standard output. The engine interleaves it with standard error, in frames."""
        self._socket.settimeout(timeout_s)
        while True:
            header = self._incoming[: _STREAM_HEADER.size]
            if len(header) == _STREAM_HEADER.size:
                kind, length = _STREAM_HEADER.unpack(header)
                end = _STREAM_HEADER.size + length
                if len(self._incoming) >= end:
                    payload = bytes(self._incoming[_STREAM_HEADER.size : end])
                    del self._incoming[:end]
                    if kind != _STDERR:
                        return payload
                    self._stderr = (self._stderr + payload)[-_STDERR_KEPT:]
                    continue
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                return b""
            self._incoming += chunk

    def interrupt(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.interrupt()
        self._response.close()
        self._socket.close()
        self._remove()

    def diagnosis(self) -> str:
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def _remove(self) -> None:
        # The container removes itself when it ends; this is for one that does not, and quicker.
        try:
            with engine_errors("removing a sandbox"):
                self._client.api.remove_container(self._id, force=True, v=True)
        except SandboxError:
            return


def docker_executor(config: ExecutionConfig, *, expected: ExpectedOutputs | None = None) -> SandboxPool:
    """An executor over containers of the sandbox image.

    Args:
        config: limits, and how many containers.
        expected: as in `SandboxPool`.

    Raises:
        EngineUnavailable: no engine answers.
        ImageMissing: the engine does not have the sandbox image of this version.
    """
    client = connect()
    try:
        image = find_image(client)
        remove_abandoned(client)
        with engine_errors("asking what it is"):
            engine = client.info()
            version = client.version().get("Version", "unknown")
    except SandboxError:
        client.close()
        raise
    workers = config.workers or _workers_that_fit(engine, config)
    options = container_options(client, image.id, config, run=uuid.uuid4().hex)

    def open_channel(number: int) -> Channel:
        environment = dict(ENVIRONMENT)
        if workers == engine.get("NCPU"):
            environment[_CPU] = str(number)
        return Channel(ContainerStream(client, {**options, "environment": environment}))

    return SandboxPool(
        open_channel,
        config=config,
        workers=workers,
        description={
            "executor": "docker",
            "isolation": f"container (engine {version}, {config.runtime or 'default'} runtime, seccomp, "
            "a user id for every program)",
            "image": image.id,
        },
        close=client.close,
        expected=expected,
    )


def _workers_that_fit(engine: dict[str, Any], config: ExecutionConfig) -> int:
    """One sandbox a CPU, as far as the memory of all of them is there."""
    cpus = int(engine.get("NCPU") or os.cpu_count() or 1)
    memory_mb = int(engine.get("MemTotal") or 0) >> 20
    fitting = memory_mb // (config.memory_mb + _SUPERVISOR_MEMORY_MB) if memory_mb else cpus
    return max(1, min(cpus, fitting))


def container_options(client: docker.DockerClient, image: str, config: ExecutionConfig, *, run: str) -> dict[str, Any]:
    """The arguments of `create_container`: everything that hardens a sandbox is here."""
    memory = f"{config.memory_mb + _SUPERVISOR_MEMORY_MB}m"
    host_config = client.api.create_host_config(
        auto_remove=True,
        network_mode="none",
        read_only=True,
        ipc_mode="none",  # no /dev/shm, no message queues: nothing outlives a program there
        cap_drop=["ALL"],
        cap_add=["SETUID", "SETGID", "KILL"],  # for the supervisor; programs lose them with their user id
        security_opt=["no-new-privileges", f"seccomp={asset('sandbox', 'seccomp.json').read_text()}"],
        pids_limit=_PROCESSES,
        mem_limit=memory,
        memswap_limit=memory,  # memory and swap together: no swap
        nano_cpus=10**9,
        tmpfs={"/tmp": _TMPFS},
        ulimits=[Ulimit(name="core", soft=0, hard=0)],
        log_config=LogConfig(type="none"),
        init=False,
        runtime=config.runtime,
    )
    return {
        "image": image,
        "command": RUNNER,
        "host_config": host_config,
        "user": "0:0",
        "working_dir": "/tmp",
        "environment": ENVIRONMENT,
        "stdin_open": True,
        "network_disabled": True,
        "labels": {LABEL_RUN: run, LABEL_OWNER: owner()},
    }
