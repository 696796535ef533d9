"""From a completion to the program that is judged: named extractors.

A protocol names its extractor; the raw completion is kept beside the program always.

completion   the prompt, and after it the completion up to the first stop string
fenced       the fenced block of a chat model's answer
evalplus     evalplus' own `sanitize`
coda-paper   the sanitizer of CoDA's released harness
verbatim     the prompt and the whole completion, as the official evaluators take a samples file
"""

from __future__ import annotations

from coda_eval.errors import ConfigError
from coda_eval.extract.coda_paper import sanitized_by_coda
from coda_eval.extract.evalplus import sanitized_by_evalplus
from coda_eval.extract.sameness import same_program
from coda_eval.extract.text import Answer, Extractor, continue_prompt, cut_at_stop, fenced, verbatim

__all__ = ["EXTRACTORS", "Answer", "Extractor", "cut_at_stop", "find_extractor", "same_program"]

EXTRACTORS: dict[str, Extractor] = {
    "completion": continue_prompt,
    "fenced": fenced,
    "evalplus": sanitized_by_evalplus,
    "coda-paper": sanitized_by_coda,
    "verbatim": verbatim,
}


def find_extractor(name: str) -> Extractor:
    """The extractor of this name.

    Raises:
        ConfigError: there is none; the message has the known ones.
    """
    if name not in EXTRACTORS:
        raise ConfigError(f"extractor {name!r} is unknown; choose one of {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name]
