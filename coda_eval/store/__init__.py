"""The run directory: what a run leaves on disk, and how it is gone on with.

    manifest.json     written first; `identity` is what decides samples and verdicts, `fingerprint` is that in short
    samples.jsonl     append-only, one line a completion
    verdicts.jsonl    append-only, one line a program and suite
    problems.csv      a line a problem: how many samples it has, and what became of them
    metrics.json      written last, by rename: its existence means complete

`RunWriter` starts and resumes with the same code; `RunDirectory` only reads. One process writes at a time: a lock on
`samples.jsonl`, which the kernel releases when the process dies, keeps others out. Where the file system has no locks
that is not checked.
"""

from coda_eval.store.directory import RunDirectory
from coda_eval.store.fingerprint import fingerprint
from coda_eval.store.writer import RunWriter

__all__ = ["RunDirectory", "RunWriter", "fingerprint"]
