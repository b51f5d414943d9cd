"""The door before munge, with a munged that the test plays."""

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.door import munge
from tests.unit.door.test_frames import request

BODY = b"b" * 100


class Munged:
    """Answers each request with its own bytes."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "munged"
        self.door = folder / "door"
        self.heard: list[bytes] = []
        self.callers: list[tuple[int, int]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.readexactly(111))
        writer.write(b"answer " + self.heard[-1])
        writer.close()

    @contextlib.contextmanager
    def acting_as(self, uid: int, gid: int) -> Iterator[None]:
        self.callers.append((uid, gid))
        yield


@pytest.fixture
def munged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Munged:
    made = Munged(tmp_path)
    monkeypatch.setattr(munge, "MUNGED_SOCKET", str(made.place))
    monkeypatch.setattr(munge, "MUNGE_SOCKET", str(made.door))
    monkeypatch.setattr(munge, "acting_as", made.acting_as)
    monkeypatch.setattr(munge, "REQUEST_SECONDS", 0.3)
    return made


@contextlib.asynccontextmanager
async def opened(munged: Munged) -> AsyncIterator[None]:
    daemon = await asyncio.start_unix_server(munged.answer, munged.place)
    door = asyncio.create_task(munge.serve())
    while not munged.door.exists():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    try:
        yield
    finally:
        door.cancel()
        daemon.close()


async def say(munged: Munged, *pieces: bytes, pause: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_unix_connection(munged.door)
    heard = b""
    with contextlib.suppress(OSError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        heard = await reader.read()
    writer.close()
    return heard


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 30))


def test_a_request_passes_as_its_callers(munged: Munged) -> None:
    async def check() -> None:
        async with opened(munged):
            assert await say(munged, request() + BODY) == b"answer " + request() + BODY
            assert await say(munged, request()[:5], request()[5:], BODY, pause=0.02)
            assert munged.callers == [(os.getuid(), os.getgid())] * 2

    run(check())


@pytest.mark.parametrize(
    "said",
    [(b"x",), (request(),), (request() + BODY[:-1],), (request(length=1 << 30),), (b"x" * 11,)],
)
def test_munged_never_hears_of_it(munged: Munged, said: tuple[bytes, ...]) -> None:
    async def check() -> None:
        async with opened(munged):
            assert await say(munged, *said) == b""
            slow = [bytes([each]) for each in request() + BODY]
            assert await say(munged, *slow, pause=0.02) == b""
            assert munged.heard == []

    run(check())


def test_idle_callers_keep_nobody_out(munged: Munged) -> None:
    async def check() -> None:
        async with opened(munged):
            place = munged.door
            held = [await asyncio.open_unix_connection(place) for _ in range(60)]
            assert await say(munged, request() + BODY) == b"answer " + request() + BODY
            for _, writer in held:
                writer.close()

    run(check())


def test_more_than_anybody_needs_are_refused(munged: Munged) -> None:
    async def check() -> None:
        async with opened(munged):
            place, count = munged.door, munge.CALLERS.open_each
            held = [await asyncio.open_unix_connection(place) for _ in range(count)]
            while await say(munged, request() + BODY) != b"":
                await asyncio.sleep(0.01)  # the last of them has yet to be let in
            for _, writer in held:
                writer.close()

    run(check())


def test_the_header_is_munges() -> None:
    assert struct.unpack("!I", request()[:4]) == (0x606D4B,)
