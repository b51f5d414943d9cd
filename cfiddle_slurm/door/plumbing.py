"""What both doors do with sockets."""

import asyncio
import contextlib
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable

from cfiddle_slurm.door.limits import Pace

PIECE = 64 << 10
_PAUSE_SECONDS = 0.05
_LINES_PER_SECOND, _LINES_AT_ONCE = 0.2, 20.0
_RESET = struct.pack("ii", 1, 0)


async def accept_for_ever(
    listener: socket.socket, receive: Callable[[socket.socket], Awaitable[None]]
) -> None:
    """Accept callers, each into a task of its own."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    listener.setblocking(False)
    while True:
        try:
            connection, _ = await loop.sock_accept(listener)
        except OSError:
            # It left before it was let in; or descriptors ran out, and then a pause helps.
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        # While callers come faster than they can be let in, those inside go on.
        await asyncio.sleep(0)
        task = asyncio.create_task(_closing(connection, receive))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _closing(
    connection: socket.socket, receive: Callable[[socket.socket], Awaitable[None]]
) -> None:
    connection.setblocking(False)
    # Whoever breaks off, on either side, ends this conversation and no other.
    with connection, contextlib.suppress(OSError, asyncio.TimeoutError):
        await receive(connection)


async def receive_exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes.

    Raises:
        ConnectionError: the other side ended before.
    """
    loop, data = asyncio.get_running_loop(), bytearray()
    while len(data) < count:
        piece = await loop.sock_recv(connection, min(count - len(data), PIECE))
        if not piece:
            raise ConnectionResetError
        data += piece
    return bytes(data)


async def send(connection: socket.socket, data: bytes, seconds: float) -> None:
    """Send all of it, to somebody who takes it within so many seconds.

    Raises:
        asyncio.TimeoutError: it is not taken.
    """
    await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(connection, data), seconds)


def reset_at_close(connection: socket.socket) -> None:
    """Have its end say that something is wrong, and keep nothing of it afterwards."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class Log:
    """Lines for the engine's log, not more of them than a person could read.

    What strangers wrote is in none of them.
    """

    def __init__(self) -> None:
        self._pace = Pace(_LINES_PER_SECOND, _LINES_AT_ONCE)
        self._silent = 0

    def say(self, what: str) -> None:
        """A line, unless there were many."""
        if not self._pace.try_take(time.monotonic()):
            self._silent += 1
            return
        more = f" (and {self._silent} more things that are not told)" if self._silent else ""
        self._silent = 0
        print(f"door: {what}{more}", file=sys.stderr, flush=True)


say = Log().say
