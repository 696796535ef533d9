"""Each cell of Table 4 and each point of Figure 3 as a run, and as the command that makes it."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from coda_eval.config import ExecutionConfig, RunConfig, SamplerConfig
from coda_eval.points.published import CHECKPOINTS, figure_3, protocol_note, table_4

PROTOCOL = "coda-paper"
NEW_TOKENS = 768
"""Also the steps of Table 4: one token a step."""
TIMEOUT_S = 3.0
FIGURE_NOTE = (
    "the report's cached variant with confidence-aware parallel decoding is not described so that it could be "
    "repeated: this is the plain schedule; compare times on the same device only"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A published figure, and the run that repeats it."""

    source: str
    """`Table 4` or `Figure 3`."""
    model: str
    """As the report calls it."""
    published: float
    """pass@1 in percent."""
    published_s: float | None = None
    """Seconds a problem, in Figure 3."""
    config: RunConfig
    note: str

    @property
    def name(self) -> str:
        """Of its run directory. A point of Figure 3 that is a cell of Table 4 too is not run twice."""
        model = re.sub(r"[^A-Za-z0-9.]+", "-", self.model).lower()
        steps = "" if self.config.sampler.steps in (None, NEW_TOKENS) else f"-{self.config.sampler.steps}-steps"
        return f"{model}-{self.config.task}{steps}"

    def command(self, out: Path) -> str:
        """What a user would type."""
        sampler, defaults = self.config.sampler, SamplerConfig()
        options = [
            f"--{field.name.replace('_', '-')} {getattr(sampler, field.name)}"
            for field in dataclasses.fields(SamplerConfig)
            if getattr(sampler, field.name) != getattr(defaults, field.name)
        ]
        return " ".join(
            [
                f"coda-eval run --model {self.config.model} --task {self.config.task} --protocol {PROTOCOL}",
                *([f"--prompt {self.config.prompt}"] if self.config.prompt != "auto" else []),
                *options,
                f"--dtype {self.config.dtype} --out {out / 'runs' / self.name}",
            ]
        )


def experiments(execution: ExecutionConfig, *, limit: int | None = None) -> list[Experiment]:
    """All of them: Table 4 row by row, then Figure 3.

    Args:
        execution: where programs run; the limit on CPU time is the protocol's.
        limit: only the first so many problems, to try it out.
    """
    execution = dataclasses.replace(execution, timeout_s=TIMEOUT_S)
    cells = [
        Experiment(
            source="Table 4",
            model=cell.model,
            published=cell.percent,
            config=_config(
                cell.model, cell.task, execution, limit, steps=NEW_TOKENS if cell.family == "diffusion" else None
            ),
            note=protocol_note(cell),
        )
        for cell in table_4()
    ]
    points = [
        Experiment(
            source="Figure 3",
            model=point.model,
            published=100 * point.pass_at_1,
            published_s=point.seconds,
            # More steps than tokens commit nothing in some; the canvas is that of the report's budget.
            config=_config(point.model, "humaneval", execution, limit, steps=point.steps),
            note=FIGURE_NOTE,
        )
        for point in figure_3()
    ]
    return cells + points


def _config(model: str, task: str, execution: ExecutionConfig, limit: int | None, *, steps: int | None) -> RunConfig:
    return RunConfig(
        model=CHECKPOINTS[model],
        task=task,
        protocol=PROTOCOL,
        prompt="instruct",  # the report's harness puts base models into the chat form too
        limit=limit,
        dtype="bfloat16",
        sampler=SamplerConfig(
            max_new_tokens=NEW_TOKENS,
            steps=steps,
            algorithm=None if steps is None else "entropy",
            temperature=0.1,
            top_p=0.9,
        ),
        execution=execution,
    )
