"""The protocols, by name. PROTOCOLS in words: what the tasks' scores mean."""

from __future__ import annotations

import difflib

from coda_eval.errors import ConfigError
from coda_eval.protocols import texts
from coda_eval.protocols.asking import Asking, EvaluationProtocol
from coda_eval.protocols.tests import coda_paper_tests

# Chen et al. 2021, section 2.2
_HUMAN_EVAL_STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
# evalplus 0.3.1, provider/utility.py:3-18 and provider/hf.py:48
_EVALPLUS_STOPS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")
_CLOSED_FENCE = "\n```\n"

PROTOCOLS: dict[str, EvaluationProtocol] = {
    protocol.name: protocol
    for protocol in (
        EvaluationProtocol(
            name="human-eval",
            version=1,
            askings={
                ("humaneval", "base"): Asking(
                    prompt=texts.as_given, stop_strings=_HUMAN_EVAL_STOPS, extractor="completion"
                ),
                ("humaneval", "instruct"): Asking(prompt=texts.complete_function, stop_strings=(), extractor="fenced"),
            },
        ),
        EvaluationProtocol(
            name="mbpp",
            version=1,
            askings={
                ("mbpp", "base"): Asking(prompt=texts.mbpp_few_shot, stop_strings=("[DONE]",), extractor="completion"),
                ("mbpp", "instruct"): Asking(prompt=texts.mbpp_answer, stop_strings=(), extractor="fenced"),
            },
        ),
        EvaluationProtocol(
            name="evalplus",
            version=1,
            askings={
                ("humaneval", "base"): Asking(
                    prompt=texts.evalplus_base,
                    stop_strings=(*_EVALPLUS_STOPS, "\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert "),
                    extractor="evalplus",
                ),
                ("mbpp", "base"): Asking(
                    prompt=texts.evalplus_base,
                    stop_strings=(*_EVALPLUS_STOPS, '\n"""', "\nassert"),
                    extractor="evalplus",
                ),
                **{
                    (form, "instruct"): Asking(
                        prompt=texts.evalplus_instruct,
                        stop_strings=(*_EVALPLUS_STOPS, _CLOSED_FENCE),
                        extractor="evalplus",
                    )
                    for form in ("humaneval", "mbpp")
                },
            },
        ),
        EvaluationProtocol(
            name="coda-paper",
            version=1,
            askings={
                ("humaneval", "instruct"): Asking(
                    prompt=texts.complete_function,
                    stop_strings=("<|im_end|>", *_HUMAN_EVAL_STOPS),
                    extractor="coda-paper",
                ),
                ("mbpp", "instruct"): Asking(
                    prompt=texts.mbpp_answer, stop_strings=("<|im_end|>", "```"), extractor="coda-paper"
                ),
            },
            tests=coda_paper_tests,
            timeout_s=3.0,
            remark="canonical solutions reach 163 of 164 on humaneval, 161 of 164 on humaneval-plus (160 in a "
            "sandbox: the answers of HumanEval/130 take too long to come back), 499 of 500 on mbpp, 374 of 378 on "
            "mbpp-plus, which runs three base asserts and no plus test",
        ),
    )
}


def find_protocol(name: str) -> EvaluationProtocol:
    """The protocol of this name.

    Raises:
        ConfigError: there is none; the message has the known ones and the closest.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    close = difflib.get_close_matches(name, PROTOCOLS, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ConfigError(f"--protocol is {name!r}, which is unknown; {hint}the known ones are {', '.join(PROTOCOLS)}")
