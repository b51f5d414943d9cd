"""Whoever floods a door waits behind himself."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.door.limits import Bounds, Pace, Room, Turns

BOUNDS = Bounds(open_each=3, open_all=5, turns=2, per_second=1000.0, burst=100.0)


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 20))


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_never_more_than_the_pace_allows(pauses: list[float]) -> None:
    pace, now, begun = Pace(2.0, 5.0), 0.0, []
    for pause in pauses:
        now += pause
        begun.append(now + pace.take(now))
    for i, earlier in enumerate(begun):
        for j in range(i + 1, len(begun)):
            assert j - i <= 5 + (begun[j] - earlier) * 2 + 1e-6


def test_a_pace_is_forgotten_when_it_is_full_again() -> None:
    pace = Pace(2.0, 5.0)
    assert pace.is_full(0)
    assert [pace.take(0) for _ in range(7)] == [0, 0, 0, 0, 0, 0.5, 1.0]
    assert not pace.is_full(3)
    assert pace.is_full(4)


def test_there_is_room_for_each_and_for_all() -> None:
    async def check() -> None:
        room = Room(BOUNDS)
        assert [room.admit("a") for _ in range(4)] == [True, True, True, False]
        assert [room.admit("b") for _ in range(3)] == [True, True, False]
        room.leave("a")
        assert room.admit("b")
        for caller in "aabbb":
            room.leave(caller)
        assert room.admit("a")

    run(check())


def test_one_waits_behind_himself_and_another_does_not() -> None:
    async def check() -> None:
        room, begun, over = Room(BOUNDS), [], asyncio.Event()

        async def converse(caller: str) -> None:
            async with room.turn(caller):
                begun.append(caller)
                await over.wait()

        floods = [asyncio.create_task(converse("flood")) for _ in range(50)]
        await asyncio.sleep(0)
        others = [asyncio.create_task(converse(f"other{i}")) for i in range(20)]
        while len(begun) < 22:
            await asyncio.sleep(0)
        assert begun.count("flood") == 2
        over.set()
        await asyncio.gather(*floods, *others)
        assert begun.count("flood") == 50

    run(check())


def test_nothing_is_kept_of_who_has_gone() -> None:
    async def check() -> None:
        turns = Turns(1)

        async def take(key: int) -> None:
            async with turns.of(key % 7):
                await asyncio.sleep(0)

        waiting = [asyncio.create_task(take(i)) for i in range(40)]
        await asyncio.sleep(0)
        assert len(turns) == 7
        waiting[-1].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert len(turns) == 0

    run(check())
