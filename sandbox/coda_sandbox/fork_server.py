"""The process that programs and testers are forks of: PID 1 of a container, or the child of the `local` executor.

It is small, and it does little: the pages that it holds and those that it writes to are what a fork costs. And it knows
nothing: what comes from the host is read by its first child, the supervisor, so that a program, which is a fork of this
process, finds neither tests nor other programs in its memory.

    order of the supervisor             with descriptors     answer
    ("program", entry point, limits)    channel              process id
    ("tester", limits)                  control, host        process id
    ("numpy",)                          control              process id of a second server, which has numpy loaded
    ("reap", process id)                                     wait status, CPU seconds
    ("drain",)                                               None, when all that are dead are reaped

Limits are a user id, CPU seconds and MiB of memory. Orders and answers are `marshal`, one a packet. What programs leave
behind becomes the child of the first server. Isolated means: PID 1 of a container with the capabilities SETUID, SETGID
and KILL. Otherwise programs run as the present user, and can interfere with this process.
"""

import marshal
import os
import random
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from coda_sandbox import interpreter, limits, program, tester
from coda_sandbox.output import OutputTail

ORDER_LIMIT = 1 << 16
_MOST_DESCRIPTORS = 2


def serve(control: socket.socket, tail: OutputTail) -> None:
    """Carry out orders until the supervisor hangs up."""
    address_space = limits.address_space()
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, ORDER_LIMIT, _MOST_DESCRIPTORS)
        if not order:
            return
        kind, *arguments = marshal.loads(order)
        answer: object = None
        if kind == "reap":
            _, status, usage = os.wait4(arguments[0], 0)
            answer = (status, usage.ru_utime + usage.ru_stime)
        elif kind == "drain":
            _drain()
        else:
            answer = os.fork()
            if answer == 0:
                try:
                    _CHILDREN[kind](*arguments, descriptors, address_space, tail)
                finally:
                    os._exit(1)
            for descriptor in descriptors:
                os.close(descriptor)
        control.send(marshal.dumps(answer))


def _drain() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _be_program(
    entry_point: str, bounds: Sequence[Any], descriptors: list[int], address_space: int, tail: OutputTail
) -> None:
    limits.confine(limits.Bounds(*bounds), address_space=address_space, keep_fds=descriptors)
    random.seed(0)  # here, because Python seeds anew after a fork; numpy does not
    tail.capture_streams()
    # The program's own stack starts here, as far from the recursion limit as can be.
    program.serve(descriptors[0], entry_point)
    os._exit(0)


def _be_tester(bounds: Sequence[Any], descriptors: list[int], address_space: int, tail: OutputTail) -> None:
    limits.confine(limits.Bounds(*bounds), address_space=address_space, keep_fds=descriptors)
    tester.serve(*descriptors)


def _be_numpy_server(descriptors: list[int], address_space: int, tail: OutputTail) -> None:
    limits.close_others(descriptors)
    interpreter.prepare(numpy=True)
    with socket.socket(fileno=descriptors[0]) as control:
        serve(control, tail)


_CHILDREN: dict[str, Callable[..., None]] = {"program": _be_program, "tester": _be_tester, "numpy": _be_numpy_server}


def main() -> int:
    """Serve the jobs that come on standard input until it ends."""
    requests, host = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    isolated = os.getpid() == 1 and os.getuid() == 0
    limits.protect_supervisor(contained=isolated)
    limits.stay_on_cpu(os.environ.pop("CODA_EVAL_CPU", ""))
    scratch = os.environ.get("TMPDIR", "/tmp")
    if not isolated:
        scratch = f"{scratch}/coda-eval-{os.urandom(8).hex()}"
        os.mkdir(scratch, mode=0o700)
    os.chdir(scratch)
    interpreter.prepare(numpy=False)
    tail = OutputTail()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor = os.fork()
    if supervisor == 0:
        ours.close()
        # Only here: this process keeps what it can do without out of its memory.
        from coda_sandbox import supervisor as supervisor_

        sys.exit(supervisor_.run(requests, host, theirs, tail, isolated=isolated, scratch=scratch))
    os.close(requests)
    os.close(host)
    theirs.close()
    try:
        serve(ours, tail)
    finally:
        if not isolated:
            from coda_sandbox import cleanup

            cleanup.remove_directory(cleanup.Path(scratch))
    return os.waitstatus_to_exitcode(os.waitpid(supervisor, 0)[1])
