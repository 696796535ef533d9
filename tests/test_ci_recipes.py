"""The GitHub action, the GitLab snippet and the example repository: their shell steps are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from compare.judged_runs import outcomes, write_run

REPOSITORY = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not (REPOSITORY / "action.yml").exists(), reason="these files are in a checkout only")

GITLAB = REPOSITORY / "examples" / "ci" / ".gitlab-ci.yml"


def run_bash(script: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a step as both CI systems do: bash, stopping at the first error."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PATH": path, "GITHUB_STEP_SUMMARY": "", **environment},
        timeout=300,
    )


class Job:
    """A job on GitHub that uses the action: expressions are resolved, files of the runner are made."""

    def __init__(self, place: Path, inputs: Mapping[str, str]) -> None:
        self.action = yaml.safe_load((REPOSITORY / "action.yml").read_text())
        defaults = {name: given.get("default", "") for name, given in self.action["inputs"].items()}
        self._context = {"github.action_path": str(REPOSITORY)}
        self._context |= {f"inputs.{name}": value for name, value in {**defaults, **inputs}.items()}
        self._place = place
        self.files = {
            name: place / name.lower()
            for name in ("RUNNER_TEMP", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        self.files["RUNNER_TEMP"].mkdir()

    def run(self, step: str) -> subprocess.CompletedProcess[str]:
        """One step by its name."""
        (found,) = (each for each in self.action["runs"]["steps"] if each["name"] == step)
        environment = {name: self._resolve(value) for name, value in found["env"].items()}
        assert "${{" not in found["run"], "an input in a script would be run as one"
        return run_bash(
            found["run"], self._place, **environment, **{name: str(path) for name, path in self.files.items()}
        )

    def outputs(self) -> dict[str, str]:
        """What the action hands on."""
        lines = self.files["GITHUB_OUTPUT"].read_text().splitlines() if self.files["GITHUB_OUTPUT"].exists() else []
        self._context |= {f"steps.compare.outputs.{line.split('=')[0]}": line.partition("=")[2] for line in lines}
        return {name: self._resolve(output["value"]) for name, output in self.action["outputs"].items()}

    def _resolve(self, text: str) -> str:
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: self._context.get(found[1], ""), text)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """`runs/baseline` and `runs/candidate`, which is worse by ten of forty problems."""
    write_run(tmp_path / "runs" / "baseline", outcomes(*range(30), problems=40), model="before")
    write_run(tmp_path / "runs" / "candidate", outcomes(*range(20), problems=40), model="after")
    return tmp_path


def test_the_action_fails_on_a_regression(place: Path) -> None:
    """With its outputs, the files that they name, and the job's summary."""
    job = Job(place, {"baseline": "runs/baseline", "candidate": "runs/candidate"})
    done = job.run("Compare")
    assert done.returncode == 1, done.stderr
    outputs = job.outputs()
    assert outputs["passed"] == "false"
    assert Path(outputs["markdown"]).read_text() == job.files["GITHUB_STEP_SUMMARY"].read_text()
    assert ElementTree.parse(outputs["junit"]).getroot().find("testsuite[@name='mini']") is not None


def test_the_action_hands_every_input_on(place: Path) -> None:
    """Spaces between several; a name with a space is one name."""
    shutil.copytree(place / "runs" / "baseline", place / "runs" / "the same")
    inputs = {
        "baseline": "runs/baseline", "candidate": "runs/the same", "max-drop": "2", "alpha": "0.01",
        "max-slowdown": "1.2", "metrics": "pass@1 base/pass@1", "allow": "execution dataset_sha256",
    }  # fmt: skip
    job = Job(place, inputs)
    assert set(inputs) | {"require-complete"} == set(job.action["inputs"])
    done = job.run("Compare")
    assert done.returncode == 0, done.stderr
    assert "99 % interval" in done.stdout
    assert job.outputs()["passed"] == "true"


def test_the_action_says_nothing_of_runs_that_do_not_compare(place: Path) -> None:
    """Exit code 2, and no output to act upon."""
    job = Job(place, {"baseline": "runs/baseline", "candidate": "runs/nothing"})
    assert job.run("Compare").returncode == 2
    assert job.outputs() == {"passed": "", "markdown": "", "junit": ""}


@pytest.mark.slow
def test_the_action_installs_what_comparing_takes(place: Path) -> None:
    """Into an environment of its own, in which the next step works."""
    job = Job(place, {"baseline": "runs/baseline", "candidate": "runs/candidate"})
    done = job.run("Install")
    if done.returncode and re.search("No matching distribution|connection|resolve", done.stderr):
        pytest.skip("pip finds no packages here")
    assert done.returncode == 0, done.stderr
    binaries = Path(job.files["GITHUB_PATH"].read_text().strip())
    compared = run_bash(f"'{binaries}/coda-eval' compare runs/baseline runs/candidate", place)
    assert compared.returncode == 1, compared.stderr


def test_the_gitlab_job_makes_its_report(place: Path) -> None:
    """From its script as it stands; installing is the business of `before_script`."""
    (job,) = yaml.safe_load(GITLAB.read_text()).values()
    done = run_bash("\n".join(job["script"]), place)
    assert done.returncode == 1, done.stderr
    assert ElementTree.parse(place / job["artifacts"]["reports"]["junit"]).getroot().tag == "testsuites"
    assert (place / job["artifacts"]["paths"][0]).exists()


def test_the_docs_show_the_gitlab_job_as_it_is() -> None:
    """One text in two places."""
    assert f"```yaml\n{GITLAB.read_text()}```\n" in (REPOSITORY / "docs" / "ci.md").read_text()


def test_the_example_workflow_uses_inputs_and_outputs_that_the_action_has() -> None:
    """A misspelt one would be passed over silently."""
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text())
    text = (REPOSITORY / "examples" / "ci" / ".github" / "workflows" / "checkpoint.yml").read_text()
    (step,) = (
        step for step in yaml.safe_load(text)["jobs"]["compare"]["steps"] if "/coda-eval@" in step.get("uses", "")
    )
    assert set(step["with"]) <= set(action["inputs"])
    assert set(re.findall(r"steps\.compare\.outputs\.(\w+)", text)) <= set(action["outputs"])


@pytest.mark.slow
def test_the_example_repository_compares_two_embedded_checkpoints(tmp_path: Path) -> None:
    """Its script evaluates both, with the options given, and compares."""
    repository = tmp_path / "repository"
    shutil.copytree(REPOSITORY / "examples" / "ci", repository, ignore=shutil.ignore_patterns("runs"))
    done = run_bash(".ci/compare coda-tiny coda-tiny-ar --executor local --limit 4 --max-new-tokens 16", repository)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.startswith("mini · protocol human-eval · 4 problems")
    assert (repository / "runs" / "compare.md").exists()
    assert (repository / "runs" / "compare.xml").exists()
