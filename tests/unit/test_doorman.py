"""A full house: nobody takes the room of another, and nothing is kept of who has gone."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.doorman import Doorman


def test_there_is_room_for_each_and_for_all() -> None:
    doorman = Doorman(each=2, everybody=3, free=0)
    assert [doorman.admit(uid) for uid in (1, 1, 1, 2, 3)] == [True, True, False, True, False]
    assert all(doorman.admit(0) for _ in range(10)), "one is always let in"
    assert not doorman.leave(1)
    assert doorman.admit(3)
    assert doorman.leave(1), "that was the last"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=60))
def test_no_bound_is_ever_passed(steps: list[tuple[bool, int]]) -> None:
    doorman, inside = Doorman(each=2, everybody=4, free=0), [0, 0, 0, 0]
    for comes, caller in steps:
        if comes:
            fits = inside[caller] < 2 and sum(inside[1:]) < 4
            assert doorman.admit(caller) is (fits or caller == 0)
            inside[caller] += fits and caller != 0
        elif inside[caller]:
            inside[caller] -= 1
            assert doorman.leave(caller) is (inside[caller] == 0)
    assert dict(doorman._inside) == {caller: count for caller, count in enumerate(inside) if count}


def test_threads_do_not_lose_count() -> None:
    doorman = Doorman(each=10**6, everybody=10**6)

    def visit() -> None:
        for _ in range(2000):
            assert doorman.admit(1)
            doorman.leave(1)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (doorman._all, dict(doorman._inside)) == (0, {})
