"""Whose a connection within this machine is, as the kernel knows it (sock_diag(7))."""

import socket
import struct

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY, _REQUEST, _ERROR = 20, 1, 2
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBBI")
_PLACE = struct.Struct("!HH16s16s")
_REST = struct.Struct("=III")
_NO_COOKIE = 0xFFFFFFFF
_STATE_AT = _HEADER.size + 1
_LISTENING = 10  # TCP_LISTEN, found where there is no connection
_UID_AT = _HEADER.size + 64
"""Behind four bytes of states, the place (48 bytes) and three numbers of inet_diag_msg."""
_BYTES = 8192

Address = tuple[str, int]


class NobodysError(Exception):
    """No process has such a connection any more."""


def uid_of(local: Address, remote: Address) -> int:
    """The uid of the process in this network that has connected ``local`` to ``remote``.

    Raises:
        NobodysError: there is none.
    """
    question = _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    place = _PLACE.pack(
        local[1], remote[1], socket.inet_aton(local[0]), socket.inet_aton(remote[0])
    )
    body = question + place + _REST.pack(0, _NO_COOKIE, _NO_COOKIE)
    head = _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asked:
        asked.settimeout(1.0)
        asked.sendto(head + body, (0, 0))
        return parse_answer(asked.recv(_BYTES))


def parse_answer(answer: bytes) -> int:
    """The uid in the kernel's answer.

    Raises:
        NobodysError: it tells of no socket, or of one that no process has any more.
    """
    if len(answer) < _UID_AT + 8 or _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
        raise NobodysError
    uid, inode = struct.unpack_from("=II", answer, _UID_AT)
    # Of one that is being closed there is no inode, and the kernel calls it root's.
    if inode == 0 or answer[_STATE_AT] == _LISTENING:
        raise NobodysError
    return int(uid)
