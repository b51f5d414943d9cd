"""The byte streams that meet in sandboxd: taken apart, waiting for a socket, come to their end.

Bytes come in pieces of any size, as a socket happens to deliver them; memory is bounded.
"""

import os
import socket
import struct
from collections.abc import Iterator

from cfiddle_slurm.sandbox.protocol import HEADER_BYTES, PING, ProtocolError, header, parse_header

STDOUT, STDERR = 1, 2
_ENGINE_HEADER = struct.Struct(">BxxxI")
_ECHO_BYTES = 16


class EngineStream:
    """Takes the engine's attach stream apart into the container's stdout and stderr.

    Without a terminal, the engine sends each piece after 8 bytes: the stream's number, three
    zeros, a 4-byte big-endian length (Docker Engine API, "Attach to a container", stream format).
    A piece's bytes are passed on as they come, so only a header is ever held back.
    """

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, memoryview]]:
        """The parts in the next bytes, as pairs of STDOUT or STDERR and content.

        Raises:
            ProtocolError: not such a stream.
        """
        rest = memoryview(data)
        while rest:
            if self._left:
                part, rest = rest[: self._left], rest[self._left :]
                self._left -= len(part)
                yield self._stream, part
                continue
            missing = _ENGINE_HEADER.size - len(self._header)
            self._header += rest[:missing]
            rest = rest[missing:]
            if len(self._header) == _ENGINE_HEADER.size:
                self._stream, self._left = _ENGINE_HEADER.unpack(self._header)
                if self._stream not in (STDOUT, STDERR) or any(self._header[1:4]):
                    raise ProtocolError("The engine's attach stream cannot be understood.")
                self._header.clear()


class FrameStream:
    """Takes a stream of frames, of types that are allowed, apart; holds back at most one frame."""

    def __init__(self, allowed: frozenset[bytes]) -> None:
        self._allowed = allowed
        self._buffer = bytearray()
        self._wanted = HEADER_BYTES
        self._kind: bytes | None = None

    def feed(self, data: bytes | memoryview) -> Iterator[tuple[bytes, bytes]]:
        """The frames that the next bytes complete, as pairs of type and payload.

        Raises:
            ProtocolError: garbage, a frame too long for its type, or of a type not allowed here.
        """
        rest = memoryview(data)
        while rest:
            missing = self._wanted - len(self._buffer)
            self._buffer += rest[:missing]
            rest = rest[missing:]
            if len(self._buffer) == self._wanted:
                yield from self._complete()

    def _complete(self) -> Iterator[tuple[bytes, bytes]]:
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._kind is None:
            self._kind, self._wanted = parse_header(data)
            if self._kind not in self._allowed:
                raise ProtocolError(f"A frame of type {self._kind!r} has no place here.")
            if self._wanted:
                return
            data = b""
        kind, self._kind, self._wanted = self._kind, None, HEADER_BYTES
        yield kind, data


class Outbox:
    """Bytes that wait until a socket takes them."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return len(self._held)

    def put(self, *parts: bytes) -> None:
        """Append bytes."""
        for part in parts:
            self._held += part

    def send(self, connection: socket.socket) -> None:
        """Hand over what a non-blocking socket takes.

        Raises:
            OSError: the connection is broken.
        """
        while self._held:
            try:
                sent = connection.send(self._held)
            except BlockingIOError:
                return
            del self._held[:sent]

    def take(self) -> bytes:
        """All that is left, which then is the taker's."""
        rest = bytes(self._held)
        self._held.clear()
        return rest


class Echo:
    """How sandboxd knows that all output has come, without waiting for the container to end.

    Output and status come through different pipes, so the status says nothing of what was printed
    before it. The guest is given a word that nobody could have known before, and says it on its
    standard error, where by then nobody else speaks: the experiment's processes are gone.

    Attributes:
        heard: whether the guest has said it: all output has come.
    """

    def __init__(self) -> None:
        self.heard = False
        self._word = os.urandom(_ECHO_BYTES)
        self._held = b""

    def frame(self) -> bytes:
        """What asks the guest to say the word; one that does not know how just ends."""
        return header(PING, _ECHO_BYTES) + self._word

    def take(self, part: bytes | memoryview) -> bytes:
        """Of what came, the output; what may be the beginning of the word is held back."""
        self._held += part
        before, word, _ = self._held.partition(self._word)
        if word:
            self.heard, self._held = True, b""
            return before
        end = max(0, len(self._held) - _ECHO_BYTES + 1)
        shown, self._held = self._held[:end], self._held[end:]
        return shown

    def rest(self) -> bytes:
        """What was held back, when nothing more will come."""
        rest, self._held = self._held, b""
        return rest
