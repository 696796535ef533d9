"""How long a program may run, and how much memory it may use.

CPU time counts, as the program and its tests use it, so that a loaded machine gives the same verdict. For programs
that wait there is a limit on the time in which neither runs nor is kept from running by others.

The first run of a program is given less: few that are right need more than that, and those that do run again, with all
of it and with nothing behind them in their sandbox. So a program that loops for ever costs its limit once, and only a
run that had all of it makes a timeout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from coda_eval.config import ExecutionConfig
from coda_eval.execution.payload import Answers

_FIRST_CHECK_CPU_S = 0.25
_FIRST_INPUT_CPU_S = 0.1
_FIRST_SUITE_CPU_S = 0.6
_FIRST_WAITING_S = 1.0
_FIRST_FACTOR = 2
"""The first run may take this many times what the reference took."""

_WAITING_FACTOR = 4
_LEAST_WAITING_S = 4.0

_REFERENCE_FACTOR = 4
"""An input may take this many times what the reference took for the slowest one, as in evalplus."""

_SUITE_S = 60.0
"""All inputs together, as in evalplus: `EVALPLUS_TIMEOUT_PER_TASK`."""

_REFERENCE_INPUT_S, _REFERENCE_S = 60.0, 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one run of a program."""

    cpu_s: float
    """All of it, tests included."""
    input_cpu_s: float
    """One input of input/output tests."""
    waiting_s: float
    memory_mb: int

    @classmethod
    def of_checks(cls, config: ExecutionConfig, *, first: bool) -> Self:
        """For tests that are code."""
        cpu_s = min(config.timeout_s, _FIRST_CHECK_CPU_S) if first else config.timeout_s
        return cls._make(config, cpu_s=cpu_s, input_cpu_s=cpu_s, first=first)

    @classmethod
    def of_inputs(cls, config: ExecutionConfig, answers: Answers, *, first: bool) -> Self:
        """For tests that are inputs, as generous as evalplus and by CPU time."""
        one = max(config.timeout_s, _REFERENCE_FACTOR * answers.slowest_s)
        suite = max(_SUITE_S, one, _REFERENCE_FACTOR * answers.cpu_s)
        if first:
            one = min(one, max(_FIRST_INPUT_CPU_S, _FIRST_FACTOR * answers.slowest_s))
            suite = min(suite, max(_FIRST_SUITE_CPU_S, _FIRST_FACTOR * answers.cpu_s))
        return cls._make(config, cpu_s=suite, input_cpu_s=one, first=first)

    @classmethod
    def of_reference(cls, config: ExecutionConfig) -> Self:
        """For the reference program, which is trusted to end."""
        return cls._make(config, cpu_s=_REFERENCE_S, input_cpu_s=_REFERENCE_INPUT_S, first=False)

    @classmethod
    def _make(cls, config: ExecutionConfig, *, cpu_s: float, input_cpu_s: float, first: bool) -> Self:
        waiting_s = _FIRST_WAITING_S if first else max(_LEAST_WAITING_S, _WAITING_FACTOR * input_cpu_s)
        return cls(cpu_s=cpu_s, input_cpu_s=input_cpu_s, waiting_s=waiting_s, memory_mb=config.memory_mb)
