"""Bytes that wait for a socket."""

import socket
from collections import deque


class Outbox:
    """Bytes that wait until a socket takes them."""

    def __init__(self) -> None:
        self._parts: deque[memoryview] = deque()
        self.size = 0

    def put(self, *parts: bytes) -> None:
        """Append bytes."""
        for part in parts:
            if part:
                self._parts.append(memoryview(part))
                self.size += len(part)

    def send(self, connection: socket.socket) -> None:
        """Hand over what a non-blocking socket takes.

        Raises:
            OSError: the connection is broken.
        """
        while self._parts:
            try:
                sent = connection.send(self._parts[0])
            except BlockingIOError:
                return
            self.size -= sent
            if sent < len(self._parts[0]):
                self._parts[0] = self._parts[0][sent:]
            else:
                self._parts.popleft()

    def take(self) -> bytes:
        """All that is left, which then is the taker's."""
        rest = b"".join(self._parts)
        self.clear()
        return rest

    def clear(self) -> None:
        """Drop all that is left."""
        self._parts.clear()
        self.size = 0
