"""Running untrusted programs: the contract, and the two executors that keep it.

executor   the contract
pool       programs over sandboxes: retries, timeouts confirmed alone, futures
channel    the protocol of `sandbox/runner.py` over a stream
docker     a sandbox is a hardened container
local      a sandbox is a child process, for trusted programs
image      the container image: built, found, noticed when stale
check      what an executor must hold: canonical solutions and hostile programs
hostile    the hostile programs
"""

from __future__ import annotations

from coda_eval.config import ExecutionConfig
from coda_eval.execution.executor import Executor

__all__ = ["Executor", "open_executor"]


def open_executor(config: ExecutionConfig) -> Executor:
    """The executor that `config` names. It starts when it is entered as a context.

    Raises:
        EngineUnavailable: `docker`, and no engine answers.
        ImageMissing: `docker`, and the engine does not have the sandbox image of this version.
    """
    # Imported here so that the local executor does not need the docker package, nor docker the local one.
    if config.executor == "docker":
        from coda_eval.execution.docker import docker_executor

        return docker_executor(config)
    from coda_eval.execution.local import local_executor

    return local_executor(config)
