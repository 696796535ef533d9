"""The sandbox image: built from `sandbox/`, named after the hash of its contents, so that a stale one is noticed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import docker
import docker.errors

from coda_eval.assets import asset
from coda_eval.errors import ImageMissing, SandboxError
from coda_eval.execution.engine import connect, engine_errors

REPOSITORY = "coda-eval-sandbox"
DEFAULT_BASE = "python:3.12-slim-bookworm"
OFFLINE_BASE = "coda-eval-offline-base:bookworm"
RUNNER = ["python3", "-s", "-B", "/opt/sandbox/runner.py"]

_INPUTS = ("Dockerfile", "strip.sh", "runner.py", "coda_sandbox")
"""What the image is made of. The seccomp profile is applied when a container starts."""


class Image(NamedTuple):
    """A built image."""

    id: str
    tag: str


def image_tag() -> str:
    """The name that the image of the present sources has."""
    digest = hashlib.sha256()
    for name, content in _context_files():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"{REPOSITORY}:{digest.hexdigest()[:12]}"


def find_image(client: docker.DockerClient | None = None) -> Image:
    """The image of the present sources.

    Raises:
        EngineUnavailable: no engine answers.
        ImageMissing: the engine does not have it.
    """
    if client is None:
        with closing(connect()) as own_client:
            return find_image(own_client)
    tag = image_tag()
    with engine_errors("looking for the sandbox image"):
        try:
            return Image(id=str(client.images.get(tag).id), tag=tag)
        except docker.errors.ImageNotFound:
            stale = client.images.list(name=REPOSITORY)
    found = "only one of another version is" if stale else "none is"
    raise ImageMissing(f"the sandbox image {tag} is missing ({found} there); run `coda-eval sandbox build`")


def build_image(base: str | None, offline: bool, log: Callable[[str], None]) -> str:
    """Build the image of the present sources.

    Args:
        base: an image with Python 3.11 or later as `python3`; None takes the default.
        offline: make the base from Debian packages instead, where no image registry is reachable.
        log: gets every line of progress.

    Returns:
        The tag.

    Raises:
        EngineUnavailable: no engine answers.
        SandboxError: the build failed; the message holds its last line.
    """
    tag = image_tag()
    with closing(connect()) as client, engine_errors("building the sandbox image"):
        if base is None:
            base = _offline_base(client, log) if offline else DEFAULT_BASE
        steps = client.api.build(
            fileobj=_context(),
            custom_context=True,
            tag=tag,
            buildargs={"BASE": base},
            network_mode="host",  # numpy may have to be fetched, and not every engine has a bridge
            rm=True,
            forcerm=True,
            decode=True,
        )
        for step in steps:
            if "error" in step:
                raise SandboxError(f"the sandbox image could not be built from {base}: {step['error'].strip()}")
            line = step.get("stream", step.get("status", "")).strip()
            if line:
                log(line)
        remove_stale_images(client)
    log(f"built {tag} from {base}")
    return tag


def remove_stale_images(client: docker.DockerClient, *, keep: int = 2) -> int:
    """Remove sandbox images of other sources, but the newest few: other checkouts may use them.

    Returns:
        How many were removed.
    """
    present = image_tag()
    removed = 0
    with engine_errors("looking for old sandbox images"):
        images = sorted(
            client.images.list(name=REPOSITORY), key=lambda image: str(image.attrs["Created"]), reverse=True
        )
        stale = [tag for image in images for tag in image.tags if tag != present]
        for tag in stale[keep:]:
            with contextlib.suppress(docker.errors.APIError):  # in use
                client.images.remove(tag)
                removed += 1
    return removed


def _offline_base(client: docker.DockerClient, log: Callable[[str], None]) -> str:
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.get(OFFLINE_BASE)
        return OFFLINE_BASE
    script = asset("sandbox", "make-offline-base.sh")
    with subprocess.Popen(
        ["sh", str(script), OFFLINE_BASE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            last = line.strip() or last
            log(last)
    if process.returncode != 0:
        raise SandboxError(f"the offline base image could not be made: {last}")
    return OFFLINE_BASE


def _context_files() -> list[tuple[str, bytes]]:
    root = asset("sandbox")
    files: list[Path] = []
    for name in _INPUTS:
        path = root / name
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return [(str(path.relative_to(root)), path.read_bytes()) for path in files]


def _context() -> io.BytesIO:
    """The build context, with nothing in it that differs between two machines."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in _context_files():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer
