"""Joining the other processes of a run: TPU pods, SLURM, Kubernetes, Open MPI, or by hand."""

from __future__ import annotations

import os
from pathlib import Path

import jax

from coda_eval.config import RunConfig
from coda_eval.errors import ConfigError
from coda_eval.records import Metrics
from coda_eval.run.evaluate import evaluate
from coda_eval.run.share import Share, merge_shards, shard_directory

BY_HAND = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
"""Environment variables for where no cluster manager says it."""


def evaluate_share(config: RunConfig, out: Path, *, data_dir: Path | None, quiet: bool) -> Metrics | None:
    """Joins the other processes and does this one's share; the metrics of all where they are done, else None.

    Raises:
        CodaEvalError: as `evaluate`; the processes do not find each other.
    """
    share = join_processes()
    evaluate(config, shard_directory(out, share), data_dir=data_dir, quiet=quiet, share=share)
    return merge_shards(config, out, count=share.count, data_dir=data_dir)


def join_processes() -> Share:
    """Starts `jax.distributed`; must come before anything else of JAX. Returns which process this is.

    Each process works on its own devices and its own share; one that dies later stops no other.

    Raises:
        ConfigError: the environment names no cluster, or the others cannot be reached.
    """
    given = [name for name in BY_HAND if os.environ.get(name)]
    if given and len(given) < len(BY_HAND):
        missing = ", ".join(sorted(set(BY_HAND) - set(given)))
        raise ConfigError(f"--distributed: {', '.join(given)} is set, and {missing} is not; set all three or none")
    try:
        if given:
            jax.distributed.initialize(
                os.environ["JAX_COORDINATOR_ADDRESS"],
                num_processes=int(os.environ["JAX_NUM_PROCESSES"]),
                process_id=int(os.environ["JAX_PROCESS_ID"]),
            )
        else:
            jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"--distributed: no other process was found ({' '.join(str(error).split())[:200]}); start it on a TPU pod, "
            f"by srun, as an indexed Kubernetes job or by mpirun, or set {', '.join(BY_HAND)}"
        ) from error
    share = Share(jax.process_index(), jax.process_count())
    # From here on each is on its own: while they are connected, the death of one ends the others. All wait for each
    # other here, so that none leaves before the last one has found its devices.
    jax.distributed.shutdown()
    return share
