"""What the tests of both doors have in common: callers, and waiting for what must come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
NEVER = 600.0
"""Seconds of a time limit that no test comes to, however busy the machine is."""
SHORT = 0.3
"""Seconds of one that a test waits for."""


def run(what: Coroutine[Any, Any, None]) -> None:
    """Have a test's coroutine end, or fail."""
    asyncio.run(asyncio.wait_for(what, 60))


async def until(true: Callable[[], bool]) -> None:
    """Wait for what must come; :func:`run` gives up at last."""
    while not true():
        await asyncio.sleep(0.002)


async def say(connect: Connect, *pieces: bytes, pause: float = 0.0, most: int = -1) -> bytes:
    """Say something, one piece after another; what comes back.

    Args:
        most: the bytes that are waited for at most, of an answer that has no end.
    """
    reader, writer = await connect()
    heard = b""
    with contextlib.suppress(OSError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        heard = await reader.read(most)
    writer.close()
    return heard


@contextlib.asynccontextmanager
async def idle(connect: Connect, count: int) -> AsyncIterator[None]:
    """So many callers that say nothing."""
    held = [await connect() for _ in range(count)]
    yield
    for _, writer in held:
        writer.close()
