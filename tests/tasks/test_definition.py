"""What a task's TOML says, checked."""

from pathlib import Path

import pytest

from coda_eval.config import DEFAULT_MEMORY_MB
from coda_eval.errors import TaskError
from coda_eval.tasks.definition import TaskDefinition, read_definition
from coda_eval.tasks.sources import DataSource, HubSource

TOML = """\
name = "mine"
title = "My own"
version = 2
adapter = "humaneval"
protocols = ["human-eval"]
default_protocol = "human-eval"
timeout_s = 3
[data]
file = "mine.jsonl"
sha256 = "00"
"""


def definition(directory: Path, text: str) -> TaskDefinition:
    path = directory / "mine.toml"
    path.write_text(text)
    return read_definition(path)


def test_a_definition_is_what_the_toml_says(tmp_path: Path) -> None:
    assert definition(tmp_path, TOML) == TaskDefinition(
        name="mine",
        title="My own",
        version=2,
        adapter="humaneval",
        protocols=("human-eval",),
        default_protocol="human-eval",
        timeout_s=3.0,
        memory_mb=DEFAULT_MEMORY_MB,
        few_shot=(),
        breakdown=(),
        extract_also=(),
        data=DataSource(file="mine.jsonl", sha256=("00",)),
        directory=tmp_path,
    )


def test_a_definition_may_say_more(tmp_path: Path) -> None:
    more = 'memory_mb = 64\nfew_shot = ["a/0"]\nbreakdown = "family"\nextract_also = ["evalplus"]\n[data]'
    text = TOML.replace("[data]", more).replace('"00"', '["00", "01"]\nfirst = "a/1"\nlast = "a/9"\nevalplus = "mbpp"')
    found = definition(tmp_path, f'{text}hub = {{ path = "p", name = "n", splits = ["test"] }}\n')
    assert (found.memory_mb, found.few_shot, found.breakdown) == (64, ("a/0",), ("family",))
    assert found.extract_also == ("evalplus",)
    assert found.data == DataSource(
        file="mine.jsonl",
        sha256=("00", "01"),
        first="a/1",
        last="a/9",
        evalplus="mbpp",
        hub=HubSource(path="p", name="n", splits=("test",)),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"\n', "", "`name` is missing; expected str"),
        ("[data]\n", "", "`data` is missing; expected dict"),
        ("version = 2", 'version = "2"', "`version` is '2'; expected int"),
        ("version = 2", "version = true", "`version` is True; expected int"),
        ("title", "titel = 1\ntitle", r"`titel` is unknown; did you mean title\? remove it"),
        ("sha256", "sha265 = 1\nsha256", r"`sha265` is unknown; did you mean sha256\? remove it"),
        ('adapter = "humaneval"', 'adapter = "apps"', "adapter is 'apps'; known are humaneval"),
        ('["human-eval"]', '["mbpp"]', "default_protocol is 'human-eval'; protocols has mbpp"),
        ("timeout_s = 3", "timeout_s = 0", "timeout_s is 0.0; it must be above 0"),
        ("version = 2", "version = ", "cannot be read as a task"),
        ('"00"', "[0]", r"`sha256` is \[0\]; expected strings"),
        ('"00"', '"00"\nhub = { path = "p", name = "n" }', "`splits` is missing; expected str or list"),
    ],
)
def test_a_mistake_is_named_with_the_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TOML
    with pytest.raises(TaskError, match=rf"mine\.toml: {message}"):
        definition(tmp_path, TOML.replace(old, new, 1))


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="there is no such file; name a task, or the path"):
        read_definition(tmp_path / "none.toml")
