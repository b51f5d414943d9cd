"""The door itself, between real sockets; only the kernel's part is played by the test."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from cfiddle_slurm.door import slurm
from cfiddle_slurm.door.frames import MUNGE_MOST
from cfiddle_slurm.door.plumbing import accept_for_ever
from cfiddle_slurm.door.slurm import Address
from tests.unit.door import harness
from tests.unit.door.harness import NEVER, SHORT, Connect, idle, run, until
from tests.unit.door.test_frames import first, frame

HELD = frame(first()[4:] + b" to which the daemon does not answer as yet")


class Outside:
    """What the kernel would tell the door; and a daemon that counts who comes in."""

    def __init__(self) -> None:
        self.target: Address = ("", 0)
        self.uid = 1000
        self.at_the_door = 0
        self.came = 0
        self.inside = 0
        self.answers = asyncio.Event()
        """Set when the daemon answers to ``HELD``, too."""

    def uid_of(self, _: socket.socket) -> int:
        self.at_the_door += 1
        return self.uid

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        self.inside += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(4)
                content = await reader.readexactly(*struct.unpack("!I", head))
                if head + content == HELD:
                    await self.answers.wait()
                writer.write(head + content)
        self.inside -= 1
        writer.close()


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    made = Outside()
    monkeypatch.setattr(slurm, "original_destination", lambda _: made.target)
    monkeypatch.setattr(slurm, "uid_of", made.uid_of)
    monkeypatch.setattr(slurm, "is_daemons", lambda _: True)
    monkeypatch.setattr(slurm, "is_sruns", lambda _: True)
    for limit in ("MESSAGE_SECONDS", "QUIET_SECONDS", "CONNECT_SECONDS"):
        monkeypatch.setattr(slurm, limit, NEVER)
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


def to(port: int) -> Connect:
    return lambda: asyncio.open_connection("127.0.0.1", port)


async def say(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Say something, one piece after another, and what comes back at first."""
    return await harness.say(to(port), *pieces, pause=pause, most=1 << 21)


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
def test_a_daemon_never_hears_of_it(
    outside: Outside, said: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            with monkeypatch.context() as patch:
                patch.setattr(slurm, "MESSAGE_SECONDS", SHORT)
                assert await say(port, *said) == b""
            assert outside.came == 0
            assert await say(port, first()) == first()

    run(check())


def test_a_message_that_comes_slowly_is_not_waited_for(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "MESSAGE_SECONDS", SHORT)

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
        async with opened(outside) as port, idle(to(port), 50):
            flood = [asyncio.create_task(say(port, HELD)) for _ in range(60)]
            await until(lambda: outside.at_the_door == 50 + len(flood))
            await until(lambda: outside.inside == slurm.USERS.turns)
            outside.uid = 1001
            assert await say(port, first()) == first()
            # It came last and was served, while the flood has its turns and no more.
            assert outside.came == slurm.USERS.turns + 1
            assert not any(each.done() for each in flood)
            outside.answers.set()
            assert set(await asyncio.gather(*flood)) == {HELD}

    run(check())


def test_more_connections_than_anybody_needs_are_refused(outside: Outside) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            count = slurm.USERS.open_each
            async with idle(to(port), count):
                await until(lambda: outside.at_the_door == count)
                assert await say(port, first()) == b""
                outside.uid = 1001
                assert await say(port, first()) == first()

    run(check())


def test_where_no_daemon_is_the_caller_is_told_at_once(outside: Outside) -> None:
    async def check() -> None:
        async with opened(outside) as port:
            with socket.create_server(("127.0.0.1", 0)) as nobody:
                outside.target = nobody.getsockname()
            assert await say(port, first()) == b""  # or :func:`run` gives up

    run(check())


def test_an_sruns_stream_may_be_silent_and_need_not_be_messages(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "QUIET_SECONDS", SHORT)

    async def check() -> None:
        async with opened(outside, "from_cluster") as port:
            with monkeypatch.context() as patch:
                patch.setattr(slurm, "MESSAGE_SECONDS", SHORT)
                assert await say(port, b"\0") == b""
                assert await say(port, struct.pack("!I", 900_000_000)) == b""
            assert outside.came == 0
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(frame(b"hello"))
            assert await reader.readexactly(9) == frame(b"hello")
            await asyncio.sleep(SHORT * 1.5)
            half = frame(b"a stream")
            writer.write(half[:5])
            await asyncio.sleep(SHORT * 1.5)
            writer.write(half[5:])
            assert await reader.readexactly(len(half)) == half
            writer.close()

    run(check())


def test_what_is_held_for_one_is_little() -> None:
    held = slurm.USERS.open_each * slurm.LARGE + slurm.MESSAGE_MOST
    assert held <= 16 << 20
    assert MUNGE_MOST <= slurm.LARGE
