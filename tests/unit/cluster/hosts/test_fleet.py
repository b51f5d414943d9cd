"""One machine that fails does not hold up the others."""

import pytest

from cfiddle_slurm.cluster.hosts import machines
from cfiddle_slurm.cluster.hosts.fleet import Fleet, Incomplete
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.process import CommandTimeout

A, B, C = Machine("a"), Machine("b"), Machine("c")


def quiet(text: str) -> None:
    """Nobody listens."""


def act(machine: Machine) -> str:
    if machine == B:
        raise MachineError("b is ill")
    return machine.address.upper()


def test_who_fails_drops_out_and_is_named_at_the_end() -> None:
    said: list[str] = []
    fleet = Fleet([A, B, C], said.append)
    assert fleet.each(act) == {A: "A", C: "C"}
    assert fleet.machines == [A, C]
    assert said == ["b is ill The others continue."]
    fleet.lose({C: CommandTimeout("docker did not end")})
    assert fleet.each(act) == {A: "A"}
    with pytest.raises(Incomplete, match=r"^b is ill\nc: docker did not end\nThe rest is up\.$"):
        fleet.finish("The rest is up.")


def test_where_all_is_done_nothing_is_said() -> None:
    fleet = Fleet([A], quiet)
    fleet.each(act)
    fleet.finish("x")
    Fleet([], quiet).finish("x")


def test_without_anybody_it_does_not_go_on() -> None:
    with pytest.raises(MachineError, match=r"^b is ill$") as caught:
        Fleet([B], quiet).each(act)
    assert not isinstance(caught.value, Incomplete)
    assert Fleet([], quiet).each(act) == {}


def test_a_mistake_in_the_program_is_no_failure_of_a_machine() -> None:
    def wrong(machine: Machine) -> None:
        raise KeyError(machine.address)

    with pytest.raises(KeyError):
        Fleet([A, B], quiet).each(wrong)


def test_where_several_fail_all_are_told() -> None:
    def ill(machine: Machine) -> None:
        raise MachineError(f"{machine} is ill")

    with pytest.raises(MachineError, match=r"^a is ill\nb is ill$"):
        Fleet([A, B], quiet).each(ill)
    given, failed = machines.try_each([A, B], act)
    assert (given, list(failed)) == ({A: "A"}, [B])
