"""For programs on a worker: speak with sandboxd as its client does, or otherwise."""

import json
import os
import secrets
import socket
import struct
import time
from typing import Any

SOCKET = os.environ.get("CFIDDLE_SLURM_SOCKET") or "/run/cfiddle-slurm/socket/sandboxd.sock"
HELLO, DATA, END, RELEASE, PING, STATUS = b"H", b"D", b"E", b"X", b"P", b"S"


def frame(kind: bytes, payload: bytes) -> bytes:
    """One frame: type, length, payload."""
    return struct.pack(">cI", kind, len(payload)) + payload


def connect(seconds: float = 20.0) -> socket.socket:
    """A connection to sandboxd."""
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(seconds)
        try:
            connection.connect(SOCKET)
            return connection
        except BlockingIOError:  # as many as can wait are waiting
            connection.close()
            time.sleep(0.05)


def hello(job_id: object = None, **changes: Any) -> bytes:
    """A HELLO of this very job, or of another one, with any changes."""
    question = {
        "protocol": 1,
        "job_id": os.environ["SLURM_JOB_ID"] if job_id is None else job_id,
        "run_id": secrets.token_hex(8),
        "wall_seconds": 20,
        **changes,
    }
    return frame(HELLO, json.dumps(question).encode())


def bundle_frames(bundle: bytes) -> bytes:
    """A whole bundle."""
    parts = [frame(DATA, bundle[i : i + 65536]) for i in range(0, len(bundle), 65536)]
    return b"".join(parts) + frame(END, b"")


def frames(connection: socket.socket) -> list[tuple[bytes, bytes]]:
    """All that comes until sandboxd hangs up, or nothing more comes in time."""
    data = bytearray()
    try:
        while part := connection.recv(1 << 16):
            data += part
    except OSError as error:
        print(f"(the connection: {error})")
    found = []
    while len(data) >= 5:
        kind, length = struct.unpack(">cI", data[:5])
        found.append((kind, bytes(data[5 : 5 + length])))
        del data[: 5 + length]
    return found


def outcome(connection: socket.socket) -> str:
    """The kind of outcome that sandboxd gave, or ``"nothing"``."""
    for kind, payload in frames(connection):
        if kind == STATUS:
            said = json.loads(payload)["outcome"]
            print(f"    {said['kind']}: {said['message']}")
            return str(said["kind"])
    return "nothing"


def ask(data: bytes) -> str:
    """The outcome of a conversation in which only this is said."""
    with connect() as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            print(f"(sending: {error})")
        return outcome(connection)
