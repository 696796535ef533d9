"""What writes completions: a model on this machine's device, or one behind an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from coda_eval.records import Problem


@dataclass(frozen=True, slots=True)
class Item:
    """One completion to make."""

    problem: Problem
    sample: int
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A completion, as `records.Sample` has it."""

    text: str
    stop_reason: str
    tokens: int | None
    nfe_full: int | None = None
    nfe_window: int | None = None
    pieces: tuple[str, ...] | None = None
    """The text token by token, where the tokens are known."""
    committed_at: tuple[int, ...] | None = None
    """The step at which each of them was committed."""


class Batch(NamedTuple):
    """Completions that were made together."""

    completions: Sequence[Written]
    """In the order of the items."""
    seconds: float
    """Wall time until the last one was there, without what follows."""
    compile_s: float = 0.0
    """Of shapes that were met for the first time."""
    host_s: float = 0.0
    """Ids into text."""


class ForwardSeconds(NamedTuple):
    """A forward of a full batch, measured by itself; None where there is no such forward."""

    full: float | None
    window: float | None


class Generator(Protocol):
    """A model, set up for one task and one way to ask."""

    def identity(self) -> Mapping[str, object]:
        """What decides the completions: for the run's identity."""
        ...

    def facts(self) -> Mapping[str, object]:
        """What else is worth knowing: device, driver, versions."""
        ...

    def prompt_text(self, problem: Problem) -> str:
        """What the model is given, as one text."""
        ...

    def compile(self) -> float:
        """Makes ready, so that no batch pays for it; returns the seconds that it took."""
        ...

    def warm_up(self, items: Sequence[Item]) -> float:
        """Makes a batch and forgets it, once a shape: the first pays for memory and threads. Returns the seconds."""
        ...

    def forward_seconds(self) -> ForwardSeconds:
        """What single forwards of a full batch take, measured now or before."""
        ...

    def write(self, items: Sequence[Item]) -> Batch:
        """Completions for at most a batch of items.

        Raises:
            CodaEvalError: the model cannot be had or cannot be used in this way.
        """
        ...
