"""What a conversation is made of: who calls, its first frame, a one-frame answer."""

import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

from cfiddle_slurm.sandbox.protocol import (
    HEADER_BYTES,
    HELLO,
    PING,
    RELEASE,
    STATUS,
    ProtocolError,
    json_frame,
    parse_header,
    parse_json,
)

if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Outcome

_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
FIRST_FRAME_SECONDS = 10.0
"""How long a caller may take for its first frame, or for taking a short answer."""
_QUESTIONS = frozenset((HELLO, RELEASE, PING))


def peer_uid(connection: socket.socket) -> int:
    """The uid of the process at the other end, from the kernel (SO_PEERCRED, unix(7))."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(raw)[1])


def receive_question(connection: socket.socket, seconds: float) -> tuple[bytes, dict[str, Any]]:
    """A caller's first frame, and not one byte more.

    Raises:
        ProtocolError: it is none that begins a conversation.
        OSError: the caller left, or took longer than ``seconds``.
    """
    deadline = time.monotonic() + seconds
    kind, length = parse_header(_receive(connection, HEADER_BYTES, deadline))
    if kind not in _QUESTIONS:
        raise ProtocolError(f"A conversation does not begin with a frame of type {kind!r}.")
    return kind, parse_json(_receive(connection, length, deadline))


def _receive(connection: socket.socket, count: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < count:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the caller left")
        data += part
    return bytes(data)


def give_answer(connection: socket.socket, said: "Outcome") -> None:
    """A status that is only an outcome; a caller that does not listen is left alone."""
    try:
        connection.settimeout(FIRST_FRAME_SECONDS)
        connection.sendall(json_frame(STATUS, {"outcome": said}))
    except OSError:
        return


def caller_left(connection: socket.socket) -> bool:
    """Whether the other side hung up, however much of what it sent is still unread."""
    poller = select.poll()
    poller.register(connection, select.POLLRDHUP)
    return bool(poller.poll(0))
