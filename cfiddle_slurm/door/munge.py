"""The door before the munge daemon of the user node's accounts.

munged reads a request in one of its few threads, and waits there for who is slow. This reads whole
requests and asks munged then, as the very account that asks: munged knows callers by their sockets.
"""

import asyncio
import contextlib
import functools
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from cfiddle_slurm.door.frames import MUNGE_HEADER_BYTES, BadFrame, munge_body_bytes
from cfiddle_slurm.door.limits import Bounds, Room
from cfiddle_slurm.door.places import MUNGE_SOCKET, MUNGED_SOCKET
from cfiddle_slurm.door.plumbing import PIECE, accept_for_ever, receive_exactly, say, send

REQUEST_SECONDS = 2.0
ANSWER_SECONDS = 5.0
CALLERS = Bounds(open_each=128, open_all=4096, turns=4, per_second=200.0, burst=800.0)
_BACKLOG = 1024
_WHO = struct.Struct("3i")


@contextlib.contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Be another account; nothing may wait meanwhile, since all of this process is it."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


async def _receive(room: Room, connection: socket.socket) -> None:
    """One request and its answer."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _WHO.size)
    _, uid, gid = _WHO.unpack(raw)
    if not room.admit(uid):
        return
    try:
        request = await asyncio.wait_for(_request(connection), REQUEST_SECONDS)
        async with room.turn(uid):
            await asyncio.wait_for(_ask(connection, request, uid, gid), ANSWER_SECONDS)
    except BadFrame as error:
        say(f"refused to {uid}: {error}")
    finally:
        room.leave(uid)


async def _request(connection: socket.socket) -> bytes:
    header = await receive_exactly(connection, MUNGE_HEADER_BYTES)
    return header + await receive_exactly(connection, munge_body_bytes(header))


async def _ask(connection: socket.socket, request: bytes, uid: int, gid: int) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as munged:
        munged.setblocking(False)
        with acting_as(uid, gid):
            munged.connect(MUNGED_SOCKET)  # at once, or not at all (connect(2), EAGAIN)
        await loop.sock_sendall(munged, request)
        while answer := await loop.sock_recv(munged, PIECE):
            await send(connection, answer, REQUEST_SECONDS)


async def serve() -> None:
    """Let callers in, for ever."""
    place = Path(MUNGE_SOCKET)
    place.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(MUNGE_SOCKET)
        place.chmod(0o666)
        listener.listen(_BACKLOG)
        await accept_for_ever(listener, functools.partial(_receive, Room(CALLERS)))
