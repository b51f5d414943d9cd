"""Small parts of the pump: bytes that wait for a socket, and a handle to stop a run by."""

import os
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


class Stopper:
    """Lets another thread end a run."""

    def __init__(self) -> None:
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.reason: str | None = None

    def stop(self, reason: str) -> None:
        """End the run; the reason is a sentence for the user."""
        if self.reason is None:
            self.reason = reason
            os.eventfd_write(self.wake, 1)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.wake)
