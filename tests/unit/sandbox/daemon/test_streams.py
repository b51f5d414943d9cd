"""Byte streams: any cutting of one gives the same, and memory stays bounded."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.sandbox.daemon.streams import STDERR, STDOUT, Echo, EngineStream, FrameStream
from cfiddle_slurm.sandbox.protocol import (
    DATA,
    END,
    HEADER_BYTES,
    MAX_FRAME,
    PING,
    RESULT,
    STATUS,
    ProtocolError,
    header,
    parse_header,
)

pieces = st.lists(st.tuples(st.sampled_from((STDOUT, STDERR)), st.binary(max_size=50)), max_size=8)


def engine_bytes(parts: list[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">BxxxI", stream, len(data)) + data for stream, data in parts)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(pieces, st.lists(st.integers(0, 1000), max_size=10))
def test_streams_come_apart_however_they_are_cut(
    parts: list[tuple[int, bytes]], places: list[int]
) -> None:
    stream, seen = EngineStream(), {STDOUT: b"", STDERR: b""}
    for piece in cut(engine_bytes(parts), places):
        for number, part in stream.feed(piece):
            seen[number] += bytes(part)
    for number, data in seen.items():
        assert data == b"".join(part for stream_, part in parts if stream_ == number)


def test_a_piece_of_any_length_is_passed_on_as_it_comes() -> None:
    stream = EngineStream()
    assert list(stream.feed(struct.pack(">BxxxI", STDERR, 0xFFFFFFFF))) == []
    assert [bytes(part) for _, part in stream.feed(b"abc")] == [b"abc"]


@pytest.mark.parametrize(
    "start", [b"\x00\0\0\0\0\0\0\1", b"\x03\0\0\0\0\0\0\1", b"\x01\1\0\0\0\0\0\1"]
)
def test_an_unknown_stream_is_refused(start: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(EngineStream().feed(start))


frames = st.lists(st.tuples(st.sampled_from((RESULT, DATA)), st.binary(max_size=60)), max_size=6)


@given(frames, st.lists(st.integers(0, 1000), max_size=10))
def test_frames_come_apart_however_they_are_cut(
    wanted: list[tuple[bytes, bytes]], places: list[int]
) -> None:
    stream = FrameStream(frozenset((RESULT, DATA)))
    data = b"".join(header(kind, len(payload)) + payload for kind, payload in wanted)
    assert [frame for piece in cut(data, places) for frame in stream.feed(piece)] == wanted
    assert list(stream.feed(header(DATA, 0))) == [(DATA, b"")], "nothing of them is held back"


@given(st.binary(max_size=200))
def test_garbage_is_frames_or_a_protocol_error(data: bytes) -> None:
    stream = FrameStream(frozenset((RESULT, STATUS)))
    try:
        assert all(kind in (RESULT, STATUS) for kind, _ in stream.feed(data))
    except ProtocolError as error:
        assert str(error)


def test_only_allowed_frames() -> None:
    with pytest.raises(ProtocolError, match="no place"):
        list(FrameStream(frozenset((DATA, END))).feed(header(RESULT, 3) + b"abc"))


def test_an_empty_frame_is_a_frame() -> None:
    assert list(FrameStream(frozenset((END,))).feed(header(END, 0))) == [(END, b"")]


def test_a_length_beyond_the_limit_is_refused_at_its_header() -> None:
    with pytest.raises(ProtocolError):
        list(FrameStream(frozenset((DATA,))).feed(DATA + struct.pack(">I", MAX_FRAME + 1)))


def test_a_frame_is_held_back_until_it_is_whole() -> None:
    stream = FrameStream(frozenset((DATA,)))
    assert list(stream.feed(header(DATA, 2) + b"a")) == []
    assert list(stream.feed(b"b")) == [(DATA, b"ab")]


def word_of(echo: Echo) -> bytes:
    frame = echo.frame()
    kind, length = parse_header(frame[:HEADER_BYTES])
    assert (kind, length) == (PING, len(frame) - HEADER_BYTES)
    return frame[HEADER_BYTES:]


@given(st.binary(max_size=100), st.lists(st.integers(1, 40), max_size=20))
def test_all_output_and_no_more_comes_out_however_it_is_cut(said: bytes, cuts: list[int]) -> None:
    echo = Echo()
    rest, out = said + word_of(echo), b""
    for cut in cuts:
        out += echo.take(rest[:cut])
        rest = rest[cut:]
    out += echo.take(memoryview(rest))
    assert (out, echo.heard, echo.rest()) == (said, True, b"")


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_word_that_was_not_said_to_its_end_is_output(length: int) -> None:
    echo = Echo()
    said = b"so far" + word_of(echo)[:length]
    assert echo.take(said) + echo.rest() == said
    assert not echo.heard


def test_nobody_knows_the_word_before() -> None:
    assert word_of(Echo()) != word_of(Echo())
