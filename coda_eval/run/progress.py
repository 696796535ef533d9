"""The bars on stderr: completions made, programs judged. Silent where stderr is not a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _RateColumn(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


class RunProgress:
    """Two bars: what the model has written and what the sandbox has judged."""

    def __init__(self, *, quiet: bool) -> None:
        """`quiet`: no bars even on a terminal."""
        self.console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self._generated: TaskID | None = None
        self._judged: TaskID | None = None

    def say(self, message: str) -> None:
        """A line about what is going on, where there is somebody to read it."""
        if not self._progress.disable:
            self._progress.console.print(message, style="dim", highlight=False)

    def warn(self, message: str) -> None:
        """A line that somebody has to read, terminal or not; nothing where it is empty."""
        if message:
            self.console.print(message, style="yellow", highlight=False, markup=False, soft_wrap=True)

    def expect_completions(self, total: int) -> None:
        """Shows the bar of the model."""
        if total:
            self._generated = self._progress.add_task("generating", total=total)

    def completed(self, count: int) -> None:
        """So many completions more are made."""
        if self._generated is not None:
            self._progress.advance(self._generated, count)

    def submitted(self) -> None:
        """One program more is to be judged."""
        if self._judged is None:
            self._judged = self._progress.add_task("judging", total=0)
        self._progress.update(self._judged, total=(self._progress.tasks[self._judged].total or 0) + 1)

    def judged(self) -> None:
        """One program more has its verdict."""
        if self._judged is not None:
            self._progress.advance(self._judged)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
