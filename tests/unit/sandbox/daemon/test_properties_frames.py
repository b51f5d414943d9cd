"""Any bytes in any pieces: the same frames, and the same end, as in one piece."""

import io
import itertools
import json
import struct
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cfiddle_slurm.sandbox.claim import quoted
from cfiddle_slurm.sandbox.daemon.streams import STDERR, STDOUT, EngineStream, FrameStream
from cfiddle_slurm.sandbox.protocol import (
    END,
    KINDS,
    MAX_FRAME,
    ProtocolError,
    header,
    parse_json,
    read_frame,
)
from tests.unit.anything import DEEP, JSON, json_of

ALLOWED = st.sets(st.sampled_from(sorted(KINDS))).map(frozenset)
LENGTHS = st.integers(0, 30) | st.sampled_from([MAX_FRAME, MAX_FRAME + 1, 0xFFFFFFFF])
HEADS = st.builds(lambda kind, length: kind + struct.pack(">I", length),
                  st.sampled_from([*sorted(KINDS), b"?"]), LENGTHS)  # fmt: skip
ENGINE_HEADS = st.builds(
    lambda stream, zeros, length: bytes([stream]) + zeros + struct.pack(">I", length),
    st.sampled_from([STDOUT, STDERR, 0, 3]),
    st.sampled_from([b"\0\0\0", b"\0\1\0"]),
    LENGTHS,
)
WHOLE = st.builds(lambda kind, content: header(kind, len(content)) + content,
                  st.sampled_from(sorted(KINDS)), st.binary(max_size=30))  # fmt: skip
FRAMES = st.lists(HEADS | WHOLE | st.binary(max_size=8), max_size=5).map(b"".join)
PIECES = st.lists(ENGINE_HEADS | st.binary(max_size=8), max_size=5).map(b"".join)
PLACES = st.lists(st.integers(0, 200), max_size=8)
Fed = tuple[list[Any], str | None]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def fed(feed: Callable[[bytes], Iterable[Any]], pieces: list[bytes]) -> Fed:
    """What came out, and the sentence of the error, if there was one."""
    found: list[Any] = []
    try:
        for piece in pieces:
            for number, content in feed(piece):
                if found and found[-1][0] == number and isinstance(content, memoryview):
                    found[-1] = (number, found[-1][1] + bytes(content))
                else:
                    found.append((number, bytes(content)))
    except ProtocolError as error:
        return found, str(error)
    return found, None


@settings(max_examples=100)
@given(FRAMES, PLACES, ALLOWED, FRAMES)
def test_any_bytes_give_the_same_frames_however_they_are_cut(
    data: bytes, places: list[int], allowed: frozenset[bytes], more: bytes
) -> None:
    whole, pieces = FrameStream(allowed), FrameStream(allowed)
    expected = fed(whole.feed, [data])
    assert fed(pieces.feed, cut(data, places)) == expected
    assert all(kind in allowed for kind, _ in expected[0])
    if expected[1] is None:
        # Both hold back the same: whatever comes next, it is read in the same way.
        assert fed(pieces.feed, [more]) == fed(whole.feed, [more])


@settings(max_examples=100)
@given(PIECES, PLACES)
def test_any_bytes_give_the_same_streams_however_they_are_cut(
    data: bytes, places: list[int]
) -> None:
    expected = fed(EngineStream().feed, [data])
    assert fed(EngineStream().feed, cut(data, places)) == expected
    assert all(number in (STDOUT, STDERR) for number, _ in expected[0])


@given(FRAMES)
def test_both_readers_of_frames_agree(data: bytes) -> None:
    stream, found, sentence = io.BytesIO(data), [], None
    try:
        while (frame := read_frame(stream)) is not None:
            found.append(frame)
    except ProtocolError as error:
        sentence = str(error)
    reader = FrameStream(KINDS)
    frames, trouble = fed(reader.feed, [data])
    assert frames == found
    # Where the stream ends in the middle, only the one that knows of the end says so.
    assert (trouble == sentence) or (trouble is None and "ended inside" in str(sentence))
    if sentence is None:
        assert fed(reader.feed, [header(END, 0)]) == ([(END, b"")], None), "nothing is held back"


@given(st.dictionaries(st.text(max_size=4), JSON | st.just("DEEP"), max_size=4), DEEP)
def test_any_json_is_an_object_that_can_be_passed_on_or_refused(
    fields: dict[str, Any], deep: bytes
) -> None:
    try:
        value = parse_json(json_of(fields, deep))
    except ProtocolError as error:
        assert str(error).startswith("A ")
        return
    text = json.dumps(value)
    if len(text) <= 64 << 10:
        assert parse_json(text.encode()) == value


@given(st.text())
def test_any_name_is_quoted_as_json(text: str) -> None:
    assert json.loads(quoted(text)) == text
