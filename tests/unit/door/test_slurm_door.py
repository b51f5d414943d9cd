"""The door itself, between real sockets; only the kernel's part is played by the test."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from cfiddle_slurm.door import slurm
from cfiddle_slurm.door.frames import MUNGE_MOST
from cfiddle_slurm.door.plumbing import accept_for_ever
from cfiddle_slurm.door.slurm import Address
from tests.unit.door.test_frames import first, frame

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Outside:
    """What the kernel would tell the door; and a daemon that counts who comes in."""

    def __init__(self) -> None:
        self.target: Address = ("", 0)
        self.uid = 1000
        self.seconds = 0.02
        self.came = 0
        self.inside = 0
        self.most_inside = 0

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(4)
                content = await reader.readexactly(*struct.unpack("!I", head))
                await asyncio.sleep(self.seconds)
                writer.write(head + content)
        self.inside -= 1
        writer.close()


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    made = Outside()
    monkeypatch.setattr(slurm, "original_destination", lambda _: made.target)
    monkeypatch.setattr(slurm, "uid_of", lambda _: made.uid)
    monkeypatch.setattr(slurm, "is_daemons", lambda _: True)
    monkeypatch.setattr(slurm, "is_sruns", lambda _: True)
    monkeypatch.setattr(slurm, "MESSAGE_SECONDS", 0.3)
    monkeypatch.setattr(slurm, "QUIET_SECONDS", 1.0)
    return made


@contextlib.asynccontextmanager
async def opened(outside: Outside, way: str = "from_users") -> AsyncIterator[int]:
    """A daemon and the door before it; the door's port."""
    daemon = await asyncio.start_server(outside.echo, "127.0.0.1", 0)
    outside.target = daemon.sockets[0].getsockname()
    listener = socket.create_server(("127.0.0.1", 0))
    door = asyncio.create_task(accept_for_ever(listener, getattr(slurm.SlurmDoor(), way)))
    try:
        yield listener.getsockname()[1]
    finally:
        door.cancel()
        daemon.close()
        listener.close()


async def say(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Say something, one piece after another, and all that comes back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    with contextlib.suppress(OSError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        heard = await reader.read(1 << 21) if pieces else await reader.read()
    writer.close()
    return heard


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 30))


def test_a_conversation_passes(outside: Outside) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            assert await say(port, first()) == first()
            long = frame(first()[4:] + bytes(slurm.LARGE * 3))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for message in (long, frame(b"the next")):
                writer.write(message)
                assert await reader.readexactly(len(message)) == message
            writer.close()

    run(check())


@pytest.mark.parametrize(
    "said",
    [
        (b"\0",),
        (struct.pack("!I", 900_000_000),),
        (struct.pack("!I", 700_000_000), bytes(1 << 16)),
        (struct.pack("!I", 500_000), bytes(1000)),
        (first()[:-1],),
        (first(nodes=3),),
        (frame(bytes(4)),),
        (b"GET / HTTP/1.1\r\n\r\n",),
    ],
)
def test_a_daemon_never_hears_of_it(outside: Outside, said: tuple[bytes, ...]) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            assert await say(port, *said) == b""
            assert outside.came == 0
            assert await say(port, first()) == first()

    run(check())


def test_a_message_that_comes_slowly_is_not_waited_for(outside: Outside) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            slow = [bytes([each]) for each in first()]
            assert await say(port, *slow, pause=0.05) == b""
            assert outside.came == 0

    run(check())


def test_later_messages_are_looked_at_too(outside: Outside) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first())
            assert await reader.readexactly(len(first())) == first()
            writer.write(struct.pack("!I", 900_000_000))
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()

    run(check())


def test_one_waits_behind_himself_and_another_does_not(outside: Outside) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            outside.seconds = 0.1
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
            flood = [asyncio.create_task(say(port, first())) for _ in range(60)]
            await asyncio.sleep(0.5)
            outside.uid = 1001
            assert await say(port, first()) == first()
            assert sum(not each.done() for each in flood) > 20
            assert set(await asyncio.gather(*flood)) == {first()}
            assert outside.most_inside <= slurm.USERS.turns + 1
            for _, writer in idle:
                writer.close()

    run(check())


def test_more_connections_than_anybody_needs_are_refused(outside: Outside) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            count = slurm.USERS.open_each
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
            while await say(port, first()) != b"":
                await asyncio.sleep(0.01)  # the last of them has yet to be let in
            outside.uid = 1001
            assert await say(port, first()) == first()
            for _, writer in held:
                writer.close()

    run(check())


def test_where_no_daemon_is_the_caller_is_told_at_once(outside: Outside) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            with socket.create_server(("127.0.0.1", 0)) as nobody:
                outside.target = nobody.getsockname()
            assert await asyncio.wait_for(say(port, first()), 0.2) == b""

    run(check())


def test_an_sruns_stream_may_be_silent_and_need_not_be_messages(outside: Outside) -> None:
    async def check() -> None:
        async with opened(outside, "from_cluster") as port:
            assert await say(port, b"\0") == b""
            assert await say(port, struct.pack("!I", 900_000_000)) == b""
            assert outside.came == 0
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(frame(b"hello"))
            assert await reader.readexactly(9) == frame(b"hello")
            await asyncio.sleep(1.3)
            half = frame(b"a stream")
            writer.write(half[:5])
            await asyncio.sleep(0.5)
            writer.write(half[5:])
            assert await reader.readexactly(len(half)) == half
            writer.close()

    run(check())


def test_what_is_held_for_one_is_little() -> None:
    held = slurm.USERS.open_each * slurm.LARGE + slurm.MESSAGE_MOST
    assert held <= 16 << 20
    assert MUNGE_MOST <= slurm.LARGE
