"""Sandboxes that are containers: found dead, left behind, and hardened."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from coda_eval.config import ExecutionConfig
from coda_eval.errors import EngineUnavailable, ImageMissing
from coda_eval.execution import image, open_executor
from coda_eval.execution.engine import LABEL_OWNER, connect, owner, remove_abandoned
from coda_eval.execution.hostile import canary
from coda_eval.records import CheckTests, Program, Status

SLEEPER = Program(
    task_id="sleeper",
    sample=0,
    suite="base",
    source="import time\ndef f():\n    time.sleep(1)\n    return 1",
    entry_point="f",
    tests=CheckTests(code="assert f() == 1"),
)
CONFIG = ExecutionConfig(executor="docker", timeout_s=1, memory_mb=128, workers=1)


def ours(client: docker.DockerClient) -> list[docker.models.containers.Container]:
    return client.containers.list(filters={"label": f"{LABEL_OWNER}={owner()}"}, ignore_removed=True)


@pytest.fixture
def client(docker_ready: None) -> docker.DockerClient:
    """A client of the engine, closed afterwards."""
    client = connect()
    yield client
    client.close()


@pytest.mark.docker
def test_a_killed_container_is_replaced_and_its_program_run_again(client: docker.DockerClient) -> None:
    """Whoever kills containers costs time, not verdicts."""
    others = {container.id for container in ours(client)}
    with open_executor(CONFIG) as executor:
        future = executor.submit(SLEEPER)
        for container in ours(client):
            if container.id not in others:
                container.kill()
        assert future.result(timeout=60).status is Status.PASSED
        assert executor.submit(canary("kill")).result(timeout=60).status is Status.PASSED
    assert {container.id for container in ours(client)} <= others


@pytest.mark.docker
def test_containers_of_dead_owners_are_removed_and_those_of_others_are_not(client: docker.DockerClient) -> None:
    """After a kill -9, the next start cleans up; a harness that runs beside is left alone."""
    boot, namespace, _, start = owner().split("/")
    owners = {
        "gone": f"{boot}/{namespace}/999999999/1",
        "id used again": f"{boot}/{namespace}/1/1",
        "alive": owner(),
        "elsewhere": f"other-boot/{namespace}/999999999/{start}",
    }
    made = {
        name: client.containers.create(image.find_image(client).id, labels={LABEL_OWNER: label})
        for name, label in owners.items()
    }
    try:
        assert remove_abandoned(client) == 2
        left = {container.id for container in client.containers.list(all=True, ignore_removed=True)}
        assert [name for name, container in made.items() if container.id in left] == ["alive", "elsewhere"]
    finally:
        for name in ("alive", "elsewhere"):
            made[name].remove(force=True)


@pytest.mark.docker
def test_the_image_has_no_setuid_file_and_no_package_manager(client: docker.DockerClient) -> None:
    """Nothing in it helps a program to more than it has."""
    script = """
import os, shutil, stat
tools = ["apt", "dpkg", "pip", "pip3", "gcc", "cc", "ld", "make", "perl", "curl", "wget", "su", "mount"]
found = [tool for tool in tools if shutil.which(tool)]
for root, _, files in os.walk("/"):
    if root.startswith(("/proc", "/sys", "/dev")):
        continue
    for name in files:
        path = os.path.join(root, name)
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            found.append(path)
        if "humaneval" in name.lower():
            found.append(path)
print(found)
"""
    output = client.containers.run(
        image.find_image(client).id, ["python3", "-c", script], network_mode="none", remove=True
    )
    assert output.decode().strip() == "[]"


def test_no_engine_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message names the address and both ways out."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(EngineUnavailable, match=r"^no container engine answers at unix://.*--executor local[^\n]*$"):
        open_executor(CONFIG)


@pytest.mark.docker
def test_a_missing_image_is_one_line_that_says_what_to_do(docker_ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the command that builds it."""
    monkeypatch.setattr(image, "REPOSITORY", "coda-eval-no-such-image")
    with pytest.raises(ImageMissing, match="coda-eval sandbox build"):
        open_executor(CONFIG)
