"""What goes from a job directory to sandboxd, and what comes back into it: the client's hands.

Its working directory is the job directory. Like the client, it is loaded for every run, and does
without whatever is slow to load.
"""

from __future__ import annotations

import os
import socket

from cfiddle_slurm.sandbox.protocol import (
    ACCEPTED,
    DATA,
    END,
    HOME_ERRORS,
    OUTPUT,
    RESULT,
    STATUS,
    OutcomeKind,
    ProtocolError,
    parse_json,
    read_frame,
    write_frame,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from cfiddle_slurm.sandbox.protocol import Readable

CHUNK = 256 << 10


class Unavailable(Exception):
    """The sandbox could not be used; the text is the sentence for the user."""

    kind = OutcomeKind.UNAVAILABLE


class Unwritable(Unavailable):
    """The job directory takes nothing more: there is no use in another try."""

    kind = OutcomeKind.HOME


def send_bundle(connection: socket.socket, trouble: list[str]) -> None:
    """Send bundle.tar; what went wrong is added to ``trouble``, and ends the conversation."""
    try:
        with open("bundle.tar", "rb") as bundle, connection.makefile("wb", CHUNK) as stream:
            while chunk := bundle.read(CHUNK):
                write_frame(stream, DATA, chunk)
            write_frame(stream, END, b"")
    except FileNotFoundError:
        trouble.append("The job directory holds no bundle.tar.")
    except (BrokenPipeError, ConnectionResetError):
        return  # sandboxd has said why, or the receiver sees the end itself
    except (OSError, ProtocolError) as error:
        trouble.append(f"The bundle could not be sent: {error}.")
    if trouble:
        _hang_up(connection)


def _hang_up(connection: socket.socket) -> None:
    """End the conversation in both directions, which wakes the receiver."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended already


def receive(stream: Readable) -> dict[str, Any] | None:
    """Write output and results as they come; the final status, or None when there was none.

    Raises:
        Unavailable: they cannot be written.
        ProtocolError, OSError: the stream is broken.
    """
    status = None
    with _create("output.log") as output, _create("result.tar.part") as result:
        files = {OUTPUT: output, RESULT: result}
        while status is None and (frame := read_frame(stream)) is not None:
            kind, payload = frame
            if kind in files:
                _append(files[kind], payload)
            elif kind == STATUS:
                status = parse_json(payload)
            elif kind != ACCEPTED:
                raise ProtocolError(f"sandboxd sent a frame of type {kind!r}.")
        has_result = result.tell() > 0
    # Only after the guest's own last word is the result stream whole.
    if status is not None and status.get("guest") is not None and has_result:
        os.replace("result.tar.part", "result.tar")
    else:
        os.unlink("result.tar.part")
    return status


def _create(name: str) -> BinaryIO:
    try:
        return open(name, "wb", buffering=0)
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> Unavailable:
    reason = error.strerror or str(error)
    return (Unwritable if error.errno in HOME_ERRORS else Unavailable)(
        f"The job directory on the shared home cannot be written: {reason}."
    )


def _append(stream: BinaryIO, payload: bytes) -> None:
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
    with open(f"{name}.part", "wb") as stream:
        stream.write(data)
    os.replace(f"{name}.part", name)
