"""What goes from a job directory to a sandbox, and what comes back into it.

The client's hands, whose working directory the job directory is, and the local scheduler's. Like
the client, it is loaded for every run, and does without whatever is slow to load.
"""

from __future__ import annotations

import os
import socket

from cfiddle_slurm.bundle import layout
from cfiddle_slurm.sandbox import protocol
from cfiddle_slurm.sandbox.protocol import OutcomeKind, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from cfiddle_slurm.sandbox.protocol import Readable, Writable
    from cfiddle_slurm.sandbox.status import Status

CHUNK = 256 << 10


class Unavailable(Exception):
    """The sandbox could not be used; the text is the sentence for the user."""

    kind = OutcomeKind.UNAVAILABLE


class Unwritable(Unavailable):
    """The job directory takes nothing more: there is no use in another try."""

    kind = OutcomeKind.HOME


def send_bundle(connection: socket.socket, trouble: list[str]) -> None:
    """Send the bundle; what went wrong is added to ``trouble``, and ends the conversation."""
    try:
        with open(layout.BUNDLE, "rb") as bundle, connection.makefile("wb", CHUNK) as stream:
            send(bundle, stream)
    except FileNotFoundError:
        trouble.append(f"The job directory holds no {layout.BUNDLE}.")
    except (BrokenPipeError, ConnectionResetError):
        return  # sandboxd has said why, or the receiver sees the end itself
    except (OSError, ProtocolError) as error:
        trouble.append(f"The bundle could not be sent: {error}.")
    if trouble:
        try:
            connection.shutdown(socket.SHUT_RDWR)  # which wakes the receiver
        except OSError:
            pass  # it has ended already


def send(bundle: Readable, stream: Writable) -> None:
    """Send a bundle in frames; a buffered stream still has to be flushed.

    Raises:
        OSError: it cannot be read, or the stream is broken.
    """
    while chunk := bundle.read(CHUNK):
        protocol.write_frame(stream, protocol.DATA, chunk)
    protocol.write_frame(stream, protocol.END, b"")


def receive(stream: Readable) -> Status | None:
    """Write output and results as they come; the final status, or None when there was none.

    Raises:
        Unavailable: they cannot be written.
        ProtocolError, OSError: the stream is broken.
    """
    part = layout.RESULT + layout.PART
    with create(layout.OUTPUT) as output, create(part) as result:
        last = take(stream, {protocol.OUTPUT: output, protocol.RESULT: result})
        status: Any = None if last is None else protocol.parse_json(last)
        # Only after the guest's own last word is the result stream whole.
        whole = status is not None and status.get("guest") is not None and result.tell() > 0
    keep(part, whole=whole)
    final: Status | None = status
    return final


def take(stream: Readable, files: dict[bytes, Any]) -> bytes | None:
    """Write what comes into the file of its kind; the status at the end, or None without one.

    Raises:
        Unavailable: it cannot be written.
        ProtocolError, OSError: the stream is broken.
    """
    while (frame := protocol.read_frame(stream)) is not None:
        kind, payload = frame
        if kind in files:
            _append(files[kind], payload)
        elif kind == protocol.STATUS:
            return payload
        elif kind != protocol.ACCEPTED:
            raise ProtocolError(f"The sandbox sent a frame of type {kind!r}.")
    return None


def keep(part: str, *, whole: bool) -> None:
    """Give a file its name now that it is whole; remove it if it will never be."""
    if whole:
        os.replace(part, part.removesuffix(layout.PART))
    else:
        os.unlink(part)


def create(name: str) -> BinaryIO:
    """A file of the job directory, to be written.

    Raises:
        Unavailable: that is not possible.
    """
    try:
        return open(name, "wb", buffering=0)
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> Unavailable:
    reason = error.strerror or str(error)
    return (Unwritable if error.errno in layout.HOME_ERRORS else Unavailable)(
        f"The job directory on the shared home cannot be written: {reason}."
    )


def _append(stream: Any, payload: bytes) -> None:
    try:
        rest = memoryview(payload)
        while rest:
            rest = rest[stream.write(rest) :]
    except OSError as error:
        raise _unwritable(error) from error


def remove(name: str) -> None:
    """Remove a file, if that is possible."""
    try:
        os.unlink(name)
    except OSError:
        pass  # the report matters, not this


def write_atomically(name: str, data: bytes) -> None:
    """Write a file that is there whole or not at all.

    On a network file system the write may fail only when the file is closed (close(2), "Dealing
    with error returns from close()"). That it reaches a disk is not waited for: whoever waits for
    it does not outlive a loss of power either, or has the file server's word for what it was sent.

    Raises:
        OSError: it cannot be written.
    """
    part = name + layout.PART
    with open(part, "wb") as stream:
        stream.write(data)
    os.replace(part, name)
