"""Frames: what is written is read, and garbage is never anything but a ProtocolError."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.sandbox import protocol
from cfiddle_slurm.sandbox.protocol import (
    DATA,
    KINDS,
    MAX_FRAME,
    MAX_JSON,
    OUTPUT,
    STATUS,
    ProtocolError,
    header,
    parse_header,
    parse_json,
    read_frame,
    write_frame,
    write_json,
)

payloads = st.tuples(st.sampled_from(sorted(KINDS)), st.binary(max_size=300))


class Dribble(io.RawIOBase):
    """A raw stream that gives at most two bytes at a time, as a socket may."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        count = min(size, 2)
        part, self._data = self._data[:count], self._data[count:]
        return part


@given(st.lists(payloads, max_size=5))
def test_what_is_written_is_read(frames: list[tuple[bytes, bytes]]) -> None:
    stream = io.BytesIO()
    for kind, payload in frames:
        write_frame(stream, kind, payload)
    for reader in (io.BytesIO(stream.getvalue()), Dribble(stream.getvalue())):
        assert [read_frame(reader) for _ in frames] == frames
        assert read_frame(reader) is None


@given(st.binary(max_size=200))
def test_garbage_is_a_frame_or_a_protocol_error(data: bytes) -> None:
    stream = io.BytesIO(data)
    try:
        while (frame := read_frame(stream)) is not None:
            assert frame[0] in KINDS
    except ProtocolError as error:
        assert str(error).endswith(".")


@given(payloads, st.data())
def test_a_cut_frame_is_refused(frame: tuple[bytes, bytes], data: st.DataObject) -> None:
    stream = io.BytesIO()
    write_frame(stream, *frame)
    whole = stream.getvalue()
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(ProtocolError, match="ended inside"):
        read_frame(io.BytesIO(cut))


def test_limits_of_length() -> None:
    assert parse_header(header(DATA, MAX_FRAME)) == (DATA, MAX_FRAME)
    for kind, length in ((DATA, MAX_FRAME + 1), (STATUS, MAX_JSON + 1), (b"?", 0)):
        with pytest.raises(ProtocolError):
            header(kind, length)
    with pytest.raises(ProtocolError):
        parse_header(b"O\xff\xff\xff\xff")


def test_a_length_is_refused_before_anything_is_read() -> None:
    stream = io.BytesIO(OUTPUT + b"\xff\xff\xff\xff" + b"x" * 100)
    with pytest.raises(ProtocolError):
        read_frame(stream)
    assert stream.tell() == protocol.HEADER_BYTES


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_json_comes_back(value: dict[str, object]) -> None:
    stream = io.BytesIO()
    write_json(stream, STATUS, value)
    frame = read_frame(io.BytesIO(stream.getvalue()))
    assert frame is not None
    assert parse_json(frame[1]) == value


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"1",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"{" * 1000,
        b'{"a":' * 20000,
        b"\xff\xfe",
        b'{"a": ' + b"9" * 5000 + b"}",
        b'"' + b"a" * MAX_JSON + b'"',
    ],
)
def test_bad_json_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_json(payload)


@given(st.binary(max_size=100))
def test_any_bytes_are_json_or_a_protocol_error(payload: bytes) -> None:
    try:
        value = parse_json(payload)
    except ProtocolError:
        return
    assert value == json.loads(payload)
