"""The errors a user can meet. Each message says what was found, what was expected and what to do.

    CodaEvalError
      ConfigError            an option or a configuration file is wrong
      TaskError              a task is unknown, or its definition or data are missing or damaged
      CheckpointError        a model directory cannot be read as a model that this package supports
      EndpointError          a model behind an HTTP interface refuses, does not answer, or answers rubbish
      SamplesError           a samples file has a line that cannot be scored
      StoreError             a run directory cannot be written, read or continued
      SweepError             points of a sweep failed; the others are done
      SandboxError           the sandbox itself failed; never a verdict on a program
        EngineUnavailable    no container engine answers
        ImageMissing         the engine has no sandbox image
        SandboxCrashed       a sandbox died; the program is run again before this is raised

The command line turns any of them into one line on stderr and exit code 2; anything else keeps its traceback.
"""

from __future__ import annotations


class CodaEvalError(Exception):
    """Anything a user can mend: the command line prints it in one line and exits with 2."""


class ConfigError(CodaEvalError):
    """An option or a configuration file is wrong."""


class TaskError(CodaEvalError):
    """A task is unknown, or its definition or data are missing or damaged."""


class CheckpointError(CodaEvalError):
    """A model directory cannot be read as a model that this package supports."""


class EndpointError(CodaEvalError):
    """A model behind an HTTP interface refuses, does not answer, or answers rubbish."""


class SamplesError(CodaEvalError):
    """A samples file has a line that cannot be scored."""


class StoreError(CodaEvalError):
    """A run directory cannot be written, read or continued."""


class SweepError(CodaEvalError):
    """Points of a sweep failed. The others are done, and it can be gone on with."""


class SandboxError(CodaEvalError):
    """The sandbox itself failed. It is never a verdict on a program."""


class EngineUnavailable(SandboxError):
    """No container engine answers."""


class ImageMissing(SandboxError):
    """The engine has no sandbox image."""


class SandboxCrashed(SandboxError):
    """A sandbox died and its program could not be judged in a fresh one either."""
