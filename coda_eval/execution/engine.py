"""The container engine: found, asked, and its failures said in one line."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import docker.errors
import requests.exceptions

from coda_eval.errors import EngineUnavailable, SandboxError

LABEL_RUN = "coda-eval.run"
LABEL_OWNER = "coda-eval.owner"

_API_TIMEOUT_S = 120
_UNIX = "unix://"
_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"


def connect() -> docker.DockerClient:
    """A client of the engine that `DOCKER_HOST` or the default socket names.

    Raises:
        EngineUnavailable: none answers.
    """
    address = os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS
    try:
        if address.startswith(_UNIX):
            # Asked first by hand: the docker package leaks a socket where nobody answers.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(address.removeprefix(_UNIX))
        # Version negotiation asks the engine, so this fails where there is none.
        return docker.from_env(timeout=_API_TIMEOUT_S)
    except (OSError, docker.errors.DockerException) as error:
        raise EngineUnavailable(
            f"no container engine answers at {address} ({_first_line(error)}); "
            "start Docker, or use --executor local for programs that you trust"
        ) from error


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn what the client raises while `doing` something into one line.

    Raises:
        EngineUnavailable: the engine has gone away.
        SandboxError: it refused.
    """
    try:
        yield
    except requests.exceptions.ConnectionError as error:
        raise EngineUnavailable(
            f"the container engine stopped answering while {doing} ({_first_line(error)}); start it and run this again"
        ) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise SandboxError(f"the container engine failed while {doing}: {_first_line(error)}") from error


def owner() -> str:
    """This process, so that it can be told from a later one that got the same id."""
    return _process_identity(os.getpid())


def remove_abandoned(client: docker.DockerClient) -> int:
    """Remove sandboxes whose owner on this machine is gone; returns how many there were."""
    removed = 0
    with engine_errors("looking for abandoned sandboxes"):
        for container in client.containers.list(all=True, ignore_removed=True, filters={"label": LABEL_OWNER}):
            if _is_gone(container.labels.get(LABEL_OWNER, "")):
                try:
                    container.remove(force=True, v=True)
                except docker.errors.APIError as error:
                    # One that is being removed already, or one that the engine itself has lost: nothing runs in it.
                    if error.status_code not in (404, 409):
                        name = container.short_id
                        print(f"warning: sandbox {name} is left over and cannot be removed", file=sys.stderr)
                    continue
                removed += 1
    return removed


def _process_identity(pid: int) -> str:
    """Machine, boot, process, and the tick at which it started."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = Path("/proc/self/ns/pid").readlink()
    start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{boot}/{namespace}/{pid}/{start}"


def _is_gone(identity: str) -> bool:
    """Whether that process was on this machine, in this boot and namespace of processes, and is no longer."""
    parts = identity.split("/")
    if len(parts) != 4 or parts[:2] != owner().split("/")[:2]:
        return False
    try:
        return _process_identity(int(parts[2])) != identity
    except (OSError, ValueError):
        return True


def _first_line(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    text = str(explanation or error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
