"""What earlier runs and versions have left at the engine is removed, and nothing else. The engine is a stand-in."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
import requests

from coda_eval.cli.sandbox import sandbox
from coda_eval.execution import engine
from coda_eval.execution.engine import LABEL_OWNER, owner, remove_abandoned
from coda_eval.execution.image import REPOSITORY, image_tag, remove_stale_images


class FakeContainer:
    """A container of an owner, whose removal the engine may refuse."""

    short_id = "0123456789"

    def __init__(self, owned_by: str, refusal: int | None = None) -> None:
        self.labels = {LABEL_OWNER: owned_by}
        self.removed = False
        self._refusal = refusal

    def remove(self, **_: bool) -> None:
        if self._refusal is not None:
            response = requests.Response()
            response.status_code = self._refusal
            raise docker.errors.APIError("refused", response=response)
        self.removed = True


def engine_with(*, containers: list[FakeContainer] | None = None, images: dict[str, str] | None = None) -> Any:
    """A client of an engine that holds these containers, and these images: tags with the time of their making."""
    kept = dict(images or {})
    listed = [SimpleNamespace(tags=[tag], attrs={"Created": created}) for tag, created in kept.items()]
    return SimpleNamespace(
        containers=SimpleNamespace(list=lambda **_: containers),
        images=SimpleNamespace(list=lambda **_: listed, remove=kept.pop),
        close=lambda: None,
        kept=kept,
    )


def owner_that_is_gone() -> str:
    """A process of this machine and boot that started at another time than any that lives."""
    return owner().rpartition("/")[0] + "/0"


@pytest.mark.parametrize("refusal", [404, 409])
def test_a_dead_sandbox_that_the_engine_has_lost_is_passed_over(
    refusal: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Silently: nothing runs in it. The ones behind it are still removed."""
    lost, abandoned = FakeContainer(owner_that_is_gone(), refusal), FakeContainer(owner_that_is_gone())
    assert remove_abandoned(engine_with(containers=[lost, abandoned])) == 1
    assert capsys.readouterr().err == ""


def test_a_sandbox_that_cannot_be_removed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, and no end of the run that is about to start."""
    assert remove_abandoned(engine_with(containers=[FakeContainer(owner_that_is_gone(), 500)])) == 0
    assert "0123456789" in capsys.readouterr().err


@pytest.mark.parametrize(("keep", "kept"), [(0, set()), (1, {"b"}), (2, {"a", "b"})])
def test_the_newest_images_of_other_versions_are_kept(keep: int, kept: set[str]) -> None:
    """And that of this version in any case, however old."""
    client = engine_with(images={f"{REPOSITORY}:a": "2026-01-02", f"{REPOSITORY}:b": "2026-01-03", image_tag(): "2025"})
    assert remove_stale_images(client, keep=keep) == 2 - len(kept)
    assert client.kept.keys() == {image_tag(), *(f"{REPOSITORY}:{name}" for name in kept)}


def test_clean_says_what_it_removed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Abandoned containers, and all images but this version's."""
    abandoned = FakeContainer(owner_that_is_gone())
    old = {f"{REPOSITORY}:a": "2026-01-02", f"{REPOSITORY}:b": "2026-01-03", image_tag(): "2025"}
    monkeypatch.setattr(engine, "connect", lambda: engine_with(containers=[abandoned], images=old))
    sandbox.main(["clean", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {"containers": 1, "images": 2}
    assert abandoned.removed
