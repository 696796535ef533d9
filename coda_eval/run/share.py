"""A run shared out among processes: which completions each makes, where it writes, and how the parts are put together.

Every process writes a run directory of its own, DIR.shards/0-of-4 and so on. Whichever ends last puts them together
in DIR. A process that dies takes nothing with it: the same command again goes on in its shard.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coda_eval.config import RunConfig
from coda_eval.errors import StoreError
from coda_eval.records import Metrics
from coda_eval.run.reading import choose_reading
from coda_eval.run.results import complete
from coda_eval.store import RunDirectory, RunWriter
from coda_eval.tasks import load_task


@dataclass(frozen=True, slots=True)
class Share:
    """One process of several."""

    index: int = 0
    count: int = 1

    def takes(self, batch: int) -> bool:
        """Whole batches, so that they are those of one process."""
        return batch % self.count == self.index


WHOLE = Share()


def shard_directory(out: Path, share: Share) -> Path:
    """Where a process writes its share.

    Raises:
        StoreError: there are shards of another number of processes.
    """
    shards = _shards(out)
    others = sorted({path.name.partition("-of-")[2] for path in shards.glob("*-of-*")} - {str(share.count)})
    if others:
        raise StoreError(
            f"{shards} holds shards of {others[0]} processes and {share.count} are running; start as many again, or "
            "choose another directory with --out"
        )
    return shards / f"{share.index}-of-{share.count}"


def merge_shards(config: RunConfig, out: Path, *, count: int, data_dir: Path | None = None) -> Metrics | None:
    """Puts the shards together once all are complete; None before that.

    Args:
        config: of the run.
        out: the run directory to write; one that is complete stays as it is.
        count: of processes.
        data_dir: where official data files lie.

    Raises:
        StoreError: the shards are not of the same run, or something cannot be read or written.
    """
    with _alone(_shards(out)):
        if (out / "metrics.json").exists():
            return RunDirectory(out).metrics()
        paths = [shard_directory(out, Share(index, count)) for index in range(count)]
        if not all((path / "metrics.json").exists() for path in paths):
            return None
        runs = [RunDirectory(path) for path in paths]
        identity, facts = runs[0].manifest["identity"], dict(runs[0].manifest)
        del facts["identity"], facts["fingerprint"]
        for run in runs[1:]:
            if run.manifest["fingerprint"] != runs[0].manifest["fingerprint"]:
                raise StoreError(f"{run.path} and {runs[0].path} are of different runs; remove one of them")
        task = load_task(config.task, data_dir=data_dir)
        reading = choose_reading(
            task, protocol=config.protocol, style=identity["prompt"], beside=config.extract_also, model=config.model
        )
        with RunWriter(out, identity=identity, facts={**facts, "processes": count}) as writer:
            for run in runs:
                for sample in run.samples():
                    if not writer.has_sample(sample.task_id, sample.sample):
                        writer.append_sample(sample)
                for verdict in run.verdicts():
                    if not writer.has_verdict(verdict.task_id, verdict.sample, verdict.suite):
                        writer.append_verdict(verdict)
            return complete(writer, dataclasses.replace(task, problems=task.problems[: config.limit]), reading)


def _shards(out: Path) -> Path:
    return out.with_name(f"{out.name}.shards")


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """No other process is within this block for this directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "merge.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
