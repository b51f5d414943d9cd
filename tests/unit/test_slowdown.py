"""When tests/machines says that an attack slowed somebody down, and when it says nothing."""

import random

import pytest

from tests.machines.slowdown import LEAST_BOUND, Measurement, Slowdown, Span, slowdown

ATTACKS = 40
ATTACK_SECONDS, QUIET_SECONDS, EACH = 6.0, 4.0, 0.8


def a_run(seed: int, spread: float, felt: float) -> Slowdown:
    """Attacks on a machine whose times vary, each of which makes a loop so many times as long."""
    chance = random.Random(seed)
    attacks, measured, now = [], [], 0.0
    for _ in range(ATTACKS):
        began = now + QUIET_SECONDS
        attacks.append(Span(began, began + ATTACK_SECONDS))
        now = began + ATTACK_SECONDS
    at = 0.0
    while at < now:
        beside = any(at + EACH >= each.began and at <= each.ended for each in attacks)
        took = 0.25 * chance.lognormvariate(0, spread) * (felt if beside else 1.0)
        measured.append(Measurement(at, at + EACH, took))
        at += EACH
    return slowdown(measured, attacks)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("spread", [0.02, 0.2, 0.4])
def test_noise_alone_is_no_slowdown(seed: int, spread: float) -> None:
    found = a_run(seed, spread, felt=1.0)
    assert len(found.known) == ATTACKS
    assert found.faults() == []


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(("spread", "felt"), [(0.02, 1.4), (0.2, 2.0), (0.4, 3.0)])
def test_attacks_that_are_felt_are_told(seed: int, spread: float, felt: float) -> None:
    (said,) = a_run(seed, spread, felt).faults()
    assert "times as long beside an attack" in said


def test_what_was_measured_belongs_to_an_attack_or_to_the_quiet_before_it() -> None:
    measured = [
        Measurement(0, 1, 1.0),
        Measurement(2, 3, 3.0),
        Measurement(4, 5.5, 100.0),  # the first attack begins within it
        Measurement(8, 9, 8.0),
        Measurement(11, 12, 4.0),
        Measurement(12, 13, 9.0),  # the second one does
        Measurement(21, 22, 1.0),  # after the last one
    ]
    found = slowdown(measured, [Span(5, 10), Span(12.5, 20)])
    assert found.ratios == (54.0 / 2.0, 9.0 / 4.0)
    assert sorted(found.noise) == [0.5, 2.0]
    assert found.bound == 2.0


def test_without_noise_a_small_difference_is_none() -> None:
    assert Slowdown((LEAST_BOUND,), ()).faults() == []
    assert len(Slowdown((LEAST_BOUND + 0.01,), (1.0, 1.0)).faults()) == 1


@pytest.mark.parametrize("known", [0, 1, 2])
def test_what_was_not_measured_does_not_pass(known: int) -> None:
    ratios = (1.0,) * known + (None,) * (5 - known)
    (said,) = Slowdown(ratios, (1.0,)).faults()
    assert said == f"The neighbour was measured beside {known} of 5 attacks, not beside 3."
    assert Slowdown((1.0,) * 3 + (None,) * 2, (1.0,)).faults() == []


def test_no_attacks_at_all_do_not_pass() -> None:
    assert slowdown([], []).faults() != []
    assert "not measured" in str(slowdown([], []))
