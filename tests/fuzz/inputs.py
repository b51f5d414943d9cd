"""Bring raw bytes into a form in which a fuzzer gets past what guards a format."""

import struct
import tarfile
from contextlib import suppress

from cfiddle_slurm.sandbox.daemon.streams import STDOUT
from tests.unit.forged_archives import checked

_BLOCK = tarfile.BLOCKSIZE


def mended(raw: bytes) -> bytes:
    """An archive whose headers have the right checksums, whatever else is in them."""
    whole = bytearray(raw)
    at = 0
    while at + _BLOCK <= len(whole):
        header = whole[at : at + _BLOCK]
        size = 0
        if any(header):
            whole[at : at + _BLOCK] = checked(header)
            with suppress(ValueError):
                size = int(bytes(header[124:136]).rstrip(b"\0 ") or b"0", 8)
        at += _BLOCK + (max(size, 0) + _BLOCK - 1) // _BLOCK * _BLOCK
    return bytes(whole)


def engine_stream(raw: bytes) -> bytes:
    """Bytes that a guest writes, as the engine passes them on."""
    return struct.pack(">BxxxI", STDOUT, len(raw)) + raw
