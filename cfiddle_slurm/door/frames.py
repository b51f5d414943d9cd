"""What a stranger may say to Slurm and to munge, before they hear it. Pure.

Slurm's messages are a length (four bytes, the most significant first) and so many bytes
(src/common/slurm_protocol_socket.c); its daemons make room for whatever length is said, up to
1 GiB, before they know who says it. munge's requests are a header of eleven bytes, the last four
of which are the length of the rest (src/libcommon/m_msg.h).
"""

import struct

_LENGTH = struct.Struct("!I")
# Version, flags and kind of message, length of its body, then how many nodes it is to be
# forwarded to and how many answers it brings (src/common/slurm_protocol_pack.c, pack_header).
_HEADER = struct.Struct("!HHHIHH")
_KIND_AGAIN = 2
"""Bytes that slurmdbd's first message has before its header."""
_MUNGE_HEADER = struct.Struct("!IBBBI")
_MUNGE_MAGIC, _MUNGE_VERSION = 0x00606D4B, 4
_MUNGE_REQUESTS = frozenset({2, 4})
"""To make a credential, and to read one."""
MUNGE_HEADER_BYTES = _MUNGE_HEADER.size
MUNGE_MOST = 64 << 10
"""Bytes of a request's body: what Slurm has munge sign is a few hundred."""


class BadFrame(Exception):
    """What was said is not what a client of Slurm or munge says: a few words."""


class Frames:
    """Takes a stream apart into whole messages, each of at most so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = bytearray()

    @property
    def wanted(self) -> int:
        """How many bytes are missing to whole message, as far as that is known; 1 at least."""
        if len(self._held) < _LENGTH.size:
            return _LENGTH.size - len(self._held)
        return max(_LENGTH.size + self._length() - len(self._held), 1)

    @property
    def is_empty(self) -> bool:
        """Whether no message has begun."""
        return not self._held

    def feed(self, data: bytes) -> list[bytes]:
        """The messages, lengths included, that are whole with this data.

        Raises:
            BadFrame: a message is announced that nobody needs.
        """
        self._held += data
        whole: list[bytes] = []
        while len(self._held) >= _LENGTH.size:
            end = _LENGTH.size + self._length()
            if len(self._held) < end:
                break
            whole.append(bytes(self._held[:end]))
            del self._held[:end]
        return whole

    def _length(self) -> int:
        length: int = _LENGTH.unpack_from(self._held)[0]
        if not 2 <= length <= self._most:
            raise BadFrame(f"a message of {length} bytes")
        return length


def check_first(frame: bytes, *, accounting: bool) -> None:
    """Look at the header of a conversation's first message.

    A daemon passes a message on to whatever list of nodes it brings, and takes apart the answers of
    others in it, before it knows whose it is. Here a job has one node: neither is ever needed.

    Args:
        accounting: whether it is for slurmdbd.

    Raises:
        BadFrame: it has no header, is to be forwarded, or brings answers.
    """
    start = _LENGTH.size + (_KIND_AGAIN if accounting else 0)
    if len(frame) < start + _HEADER.size:
        raise BadFrame("a message without a header")
    _, _, _, _, nodes, answers = _HEADER.unpack_from(frame, start)
    if nodes or answers:
        raise BadFrame(f"a message for {nodes} nodes with {answers} answers")


def munge_body_bytes(header: bytes) -> int:
    """How many bytes follow a request's header.

    Raises:
        BadFrame: it is no request, or too long a one.
    """
    if len(header) != _MUNGE_HEADER.size:
        raise BadFrame("half a header")
    magic, version, kind, _, length = _MUNGE_HEADER.unpack(header)
    if (magic, version) != (_MUNGE_MAGIC, _MUNGE_VERSION) or kind not in _MUNGE_REQUESTS:
        raise BadFrame("no request of munge's")
    if not 0 < length <= MUNGE_MOST:
        raise BadFrame(f"a request of {length} bytes")
    return int(length)
