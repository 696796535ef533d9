"""The supervisor's end of a fork server."""

import marshal
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

from coda_sandbox import limits
from coda_sandbox.fork_server import ORDER_LIMIT
from coda_sandbox.frames import ChannelClosed


class Ended(NamedTuple):
    """How a process ended."""

    status: int
    """As `wait` gives it."""
    cpu_s: float
    """What it and its own reaped children used."""


class Forks:
    """Has a fork server, process `pid`, make and reap processes.

    Every method raises `ChannelClosed` where the server is gone: no sandbox is left then.
    """

    def __init__(self, control: socket.socket, pid: int) -> None:
        self._control = control
        self.pid = pid

    def program(self, entry_point: str, bounds: limits.Bounds, channel: socket.socket) -> int:
        """A process that runs the source that comes first on `channel`, then answers calls on it."""
        return int(self._order(("program", entry_point, tuple(bounds)), [channel.fileno()]))

    def tester(self, bounds: limits.Bounds, control: socket.socket, host: int) -> int:
        """A process that judges by the tests that come first on `control`; references' answers go to `host`."""
        return int(self._order(("tester", tuple(bounds)), [control.fileno(), host]))

    def with_numpy(self) -> "Forks":
        """A second server, which has numpy loaded, for the programs and tests that name it: forks of it cost twice."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            return Forks(ours, int(self._order(("numpy",), [theirs.fileno()])))

    def reap(self, pid: int) -> Ended:
        """Wait for the end of a process that this server has made."""
        return Ended(*self._order(("reap", pid)))

    def drain(self) -> None:
        """Reap whatever is dead."""
        self._order(("drain",))

    def children(self) -> set[int]:
        """The processes below the server: those that it has made, and what programs have left behind."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
            return {int(pid) for pid in file.read().split()}

    def close(self) -> None:
        self._control.close()

    def _order(self, order: tuple[Any, ...], descriptors: Sequence[int] = ()) -> Any:
        try:
            socket.send_fds(self._control, [marshal.dumps(order)], descriptors)
            answer = self._control.recv(ORDER_LIMIT)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosed from error
        if not answer:
            raise ChannelClosed
        return marshal.loads(answer)
