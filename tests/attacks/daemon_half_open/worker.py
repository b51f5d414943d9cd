"""In the student's own allocation."""

import json
import socket
import time

from tests.attacks.caller import PING, ask, connect, frame, hello

MOST = 4
"""Connections that one user may hold (``connections_per_user``)."""


def main() -> None:
    """Print what was wrong."""
    wrong, held = [], []
    for number in range(200):
        connection = connect()
        held.append(connection)
        try:
            connection.sendall((b"", b"H\0\0", hello()[:40])[number % 3])
        except OSError:
            print(f"{number}: hung up on at once")
    answered = sum(is_answered(connection) for connection in held)
    print(f"{answered} of {len(held)} were sent away")
    if answered < len(held) - MOST:
        wrong.append(f"{len(held) - answered} connections of one user are held")
    # A byte every now and then does not keep a conversation open that has not begun.
    give_up = time.monotonic() + 11
    while time.monotonic() < give_up:
        for connection in held:
            trickle(connection)
        time.sleep(0.5)
    if ask(frame(PING, b'{"protocol": 1}')) != "ok":
        wrong.append("sandboxd answers nobody while connections are held")
    print(json.dumps(wrong))


def is_answered(connection: socket.socket) -> bool:
    """Whether sandboxd has said something, or hung up."""
    connection.settimeout(0.02)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def trickle(connection: socket.socket) -> None:
    """One byte more."""
    try:
        connection.send(b"\0")
    except OSError:
        connection.close()


if __name__ == "__main__":
    main()
