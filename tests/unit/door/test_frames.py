"""What passes a door, and what does not."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.door.frames import (
    MUNGE_HEADER_BYTES,
    MUNGE_MOST,
    BadFrame,
    Frames,
    check_first,
    munge_body_bytes,
)

MOST = 1000
HEADER = struct.Struct("!HHHIHH")


def frame(content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + content


def first(nodes: int = 0, answers: int = 0, before: bytes = b"") -> bytes:
    return frame(before + HEADER.pack(42 << 8, 0, 2009, 7, nodes, answers) + b"content")


@given(
    st.lists(st.binary(min_size=2, max_size=40), max_size=5),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_whole_messages_in_any_pieces(contents: list[bytes], places: list[int]) -> None:
    data = b"".join(map(frame, contents))
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    frames, found = Frames(MOST), []
    for a, b in itertools.pairwise(edges):
        found += frames.feed(data[a:b])
        assert frames.is_empty == (b"".join(found) == data[:b])
    assert found == [frame(content) for content in contents]


@given(st.binary(max_size=40))
def test_what_is_held_is_bounded_whatever_comes(data: bytes) -> None:
    frames, passed = Frames(30), b""
    try:
        for place in range(len(data)):
            passed += b"".join(frames.feed(data[place : place + 1]))
            assert 1 <= frames.wanted <= 30
    except BadFrame:
        pass
    assert data.startswith(passed)


@pytest.mark.parametrize("length", [0, 1, MOST + 1, 700_000_000, 900_000_000, 0xFFFFFFFF])
def test_an_announcement_nobody_needs_is_refused_at_once(length: int) -> None:
    with pytest.raises(BadFrame, match=str(length)):
        Frames(MOST).feed(struct.pack("!I", length))
    assert Frames(MOST).feed(struct.pack("!I", MOST)) == []


def test_what_is_wanted() -> None:
    frames = Frames(MOST)
    assert frames.wanted == 4
    frames.feed(b"\0\0")
    assert frames.wanted == 2
    frames.feed(b"\0\5abc")
    assert frames.wanted == 2


def test_headers_of_conversations() -> None:
    check_first(first(), accounting=False)
    check_first(first(before=b"\x05\x7d"), accounting=True)
    for wrong, accounting in (
        (first(nodes=1), False),
        (first(answers=1), False),
        (first(nodes=60000, before=b"\x05\x7d"), True),
        (frame(b"short"), False),
    ):
        with pytest.raises(BadFrame):
            check_first(wrong, accounting=accounting)


def request(magic: int = 0x606D4B, version: int = 4, kind: int = 2, length: int = 100) -> bytes:
    return struct.pack("!IBBBI", magic, version, kind, 0, length)


def test_requests_of_munge() -> None:
    assert len(request()) == MUNGE_HEADER_BYTES
    assert munge_body_bytes(request()) == 100
    assert munge_body_bytes(request(kind=4, length=MUNGE_MOST)) == MUNGE_MOST


@pytest.mark.parametrize(
    "header",
    [request(magic=1), request(version=3), request(kind=3), request(kind=0), request(length=0),
     request(length=MUNGE_MOST + 1), request(length=0xFFFFFFFF), request()[:-1], b""],
)  # fmt: skip
def test_what_munge_is_not_asked(header: bytes) -> None:
    with pytest.raises(BadFrame):
        munge_body_bytes(header)
