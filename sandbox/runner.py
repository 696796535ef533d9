"""Runs untrusted programs one after another: PID 1 of a sandbox container, or a child of the `local` executor.

Frames come in on standard input and verdicts go out on standard output; `coda_sandbox/supervisor.py` describes both.
Needs the standard library only.
"""

import sys

from coda_sandbox import fork_server

if __name__ == "__main__":
    # Programs must not be able to import this directory by accident: an `import frames` of theirs has to fail.
    del sys.path[0]
    sys.exit(fork_server.main())
