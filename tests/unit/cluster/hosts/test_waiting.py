"""Looks at what others do, as long as there is time."""

from types import SimpleNamespace

import pytest

from cfiddle_slurm.cluster.hosts import waiting
from cfiddle_slurm.cluster.hosts.waiting import until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only sleep moves on."""
    found = SimpleNamespace(now=100.0)
    found.monotonic = lambda: found.now
    found.sleep = lambda seconds: setattr(found, "now", found.now + seconds)
    monkeypatch.setattr(waiting, "time", found)
    return found


def test_the_first_look_is_at_once_and_the_last_when_the_time_is_over(
    clock: SimpleNamespace,
) -> None:
    assert [clock.now for _ in until(3, 1.25)] == [100.0, 101.25, 102.5, 103.75]


def test_without_time_there_is_one_look_and_one_more(clock: SimpleNamespace) -> None:
    assert len(list(until(0))) == 2
    assert len(list(until(-1))) == 1


def test_who_has_seen_enough_does_not_sleep(clock: SimpleNamespace) -> None:
    for _ in until(10):
        break
    assert clock.now == 100.0
