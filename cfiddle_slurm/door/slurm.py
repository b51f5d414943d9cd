"""The door between the user node and Slurm's daemons, in both directions.

The kernel sends it what accounts of the user node say to the daemons, and what comes from the
cluster for a waiting srun (see ``walls``). It opens the way onward when it has read a whole first
message, so that no daemon, and no student's srun, ever waits for a stranger or makes room for what
one announces.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass

from cfiddle_slurm.door.frames import BadFrame, Frames, check_first
from cfiddle_slurm.door.limits import Bounds, Room, Turns
from cfiddle_slurm.door.places import ACCOUNTING, DAEMONS, FROM_CLUSTER, FROM_USERS, SRUN_PORTS
from cfiddle_slurm.door.plumbing import (
    PIECE,
    accept_for_ever,
    receive_exactly,
    reset_at_close,
    say,
    send,
)

MESSAGE_MOST = 1 << 20
"""Bytes of one message: the environment of an srun and a batch script are the longest."""
LARGE = 64 << 10
"""Of longer first messages only one at a time is held for a caller."""
MESSAGE_SECONDS = 10.0
"""How long a message may take to arrive, and a piece of an answer to be taken: Slurm's own patience
(MessageTimeout). A client connects first, and asks munge for its credential then."""
QUIET_SECONDS = 60.0
"""How long a caller may be silent, and a daemon."""
CONNECT_SECONDS = 5.0
USERS = Bounds(open_each=128, open_all=8192, turns=6, per_second=100.0, burst=400.0)
# slurmdbd talks to a hundred at once (MAX_THREAD_COUNT), and its controller is one of them.
ASKING = Bounds(open_each=32, open_all=1024, turns=2, per_second=20.0, burst=100.0)
CLUSTER = Bounds(open_each=1024, open_all=8192, turns=256, per_second=400.0, burst=2000.0)
TO_ACCOUNTING, TO_EACH = 48, 96
"""Conversations with one daemon, of all accounts together."""
_BACKLOG = 1024
_ORIGINAL = 80  # SO_ORIGINAL_DST of linux/netfilter_ipv4.h

Address = tuple[str, int]


def original_destination(connection: socket.socket) -> Address:
    """Where a redirected connection was to go."""
    raw = connection.getsockopt(socket.SOL_IP, _ORIGINAL, 16)
    port, address = struct.unpack_from("!2xH4s", raw)
    return socket.inet_ntoa(address), port


def uid_of(connection: socket.socket) -> int:
    """Whose it is: netfilter has marked each packet with its sender's uid, and the kernel gives
    that mark to what is accepted (ip-sysctl, tcp_fwmark_accept). 0 where there is none.

    The caller's address would not do: where two of its connections were to go to different daemons
    from the same port, redirection gives one of them another.
    """
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_MARK)


def is_daemons(target: Address) -> bool:
    """Whether somebody was sent here on the way to a daemon."""
    return target[1] in DAEMONS and not target[0].startswith("127.")


def is_sruns(target: Address) -> bool:
    """Whether somebody was sent here on the way to an srun."""
    return SRUN_PORTS[0] <= target[1] <= SRUN_PORTS[1]


@dataclass
class Way:
    """Two sockets, and what passes between them.

    Attributes:
        frames: takes apart what the caller says; None where only the first message is looked at,
            and either side may be silent for as long as it likes.
    """

    caller: socket.socket
    server: socket.socket
    frames: Frames | None

    async def go(self) -> None:
        """Pass on until it is over.

        Raises:
            OSError, asyncio.TimeoutError: one side breaks off.
            BadFrame: the caller says what nobody needs.
        """
        there, back = asyncio.create_task(self._there()), asyncio.create_task(self._back())
        waiting = {there, back}
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if self.frames is not None and back in done:
                    return  # a daemon's end is the end for both
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _there(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begun = self.frames is not None and not self.frames.is_empty
            data = await asyncio.wait_for(
                loop.sock_recv(self.caller, PIECE), MESSAGE_SECONDS if begun else self._patience
            )
            if not data:
                self.server.shutdown(socket.SHUT_WR)
                return
            for whole in [data] if self.frames is None else self.frames.feed(data):
                await send(self.server, whole, QUIET_SECONDS)

    async def _back(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await asyncio.wait_for(loop.sock_recv(self.server, PIECE), self._patience)
            if not data:
                self.caller.shutdown(socket.SHUT_WR)
                return
            await send(self.caller, data, MESSAGE_SECONDS)

    @property
    def _patience(self) -> float | None:
        return None if self.frames is None else QUIET_SECONDS


class SlurmDoor:
    """What all connections share."""

    def __init__(self) -> None:
        self._users, self._asking, self._cluster = Room(USERS), Room(ASKING), Room(CLUSTER)
        self._large = Turns(1)
        self._onward, self._to_accounting = Turns(TO_EACH), Turns(TO_ACCOUNTING)

    async def from_users(self, connection: socket.socket) -> None:
        """An account of the user node wants to talk to a daemon."""
        target = original_destination(connection)
        if not is_daemons(target):
            return
        if uid := uid_of(connection):
            room = self._asking if target[1] == ACCOUNTING else self._users
            await self._through(room, uid, connection, target)

    async def from_cluster(self, connection: socket.socket) -> None:
        """A worker or the controller wants to talk to an srun."""
        target = original_destination(connection)
        if is_sruns(target):
            address: str = connection.getpeername()[0]
            await self._through(self._cluster, address, connection, target)

    async def _through(
        self, room: Room, caller: object, connection: socket.socket, target: Address
    ) -> None:
        if not room.admit(caller):
            reset_at_close(connection)
            return
        try:
            async with contextlib.AsyncExitStack() as stack:
                first = await self._first_message(stack, caller, connection)
                if room is not self._cluster:
                    check_first(first, accounting=room is self._asking)
                await stack.enter_async_context(room.turn(caller))
                onward = self._to_accounting if room is self._asking else self._onward
                await stack.enter_async_context(onward.of(target))
                frames = None if room is self._cluster else Frames(MESSAGE_MOST)
                await talk(connection, target, frames, first)
        except BadFrame as error:
            reset_at_close(connection)
            say(f"refused to {caller}, for port {target[1]}: {error}")
        finally:
            room.leave(caller)

    async def _first_message(
        self, stack: contextlib.AsyncExitStack, caller: object, connection: socket.socket
    ) -> bytes:
        head = await asyncio.wait_for(receive_exactly(connection, 4), MESSAGE_SECONDS)
        frames = Frames(MESSAGE_MOST)
        frames.feed(head)
        if frames.wanted > LARGE:
            await stack.enter_async_context(self._large.of(caller))
        rest = receive_exactly(connection, frames.wanted)
        return head + await asyncio.wait_for(rest, MESSAGE_SECONDS)


async def talk(
    connection: socket.socket, target: Address, frames: Frames | None, first: bytes
) -> None:
    """Open the way onward and let a conversation take its course.

    Raises:
        OSError, asyncio.TimeoutError, BadFrame: as :meth:`Way.go`.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.setblocking(False)
        for each in (server, connection):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            opened = asyncio.get_running_loop().sock_connect(server, target)
            await asyncio.wait_for(opened, CONNECT_SECONDS)
        except (OSError, asyncio.TimeoutError):
            reset_at_close(connection)  # as the daemon's own machine would answer
            raise
        await send(server, first, QUIET_SECONDS)
        await Way(connection, server, frames).go()


async def serve() -> None:
    """Let callers of both directions in, for ever."""
    door = SlurmDoor()
    with (
        socket.create_server(("127.0.0.1", FROM_USERS), backlog=_BACKLOG) as users,
        socket.create_server(("", FROM_CLUSTER), backlog=_BACKLOG) as cluster,
    ):
        await asyncio.gather(
            accept_for_ever(users, door.from_users), accept_for_ever(cluster, door.from_cluster)
        )
