"""Many machines, of which one that fails does not hold up the others."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError, try_each
from cfiddle_slurm.process import ProcessError

_Result = TypeVar("_Result")


class Incomplete(MachineError):
    """All is done but on some machines, which the message names, each with its reason.

    Attributes:
        lost: the addresses of these.
    """

    def __init__(self, message: str, lost: Iterable[Machine] = ()) -> None:
        super().__init__(message)
        self.lost = frozenset(machine.address for machine in lost)


class Fleet:
    """Machines on which all is tried, and which drop out where something fails.

    Attributes:
        machines: those that still take part.
        lost: why others do not any more.
    """

    def __init__(self, machines: Iterable[Machine], say: Callable[[str], None]) -> None:
        self.machines = list(machines)
        self.lost: dict[Machine, str] = {}
        self._say = say

    def each(self, action: Callable[[Machine], _Result]) -> dict[Machine, _Result]:
        """Do something on each that still takes part.

        Raises:
            MachineError: now none does.
        """
        given, failed = try_each(self.machines, action)
        self.lose(failed)
        return given

    def in_turn(self, action: Callable[[Machine], object]) -> None:
        """As :meth:`each`, one after the other: what changes the same thing at the head.

        Raises:
            Incomplete: as :meth:`each`.
        """
        for machine in list(self.machines):
            try:
                action(machine)
            except (MachineError, ProcessError) as error:
                self.lose({machine: error})

    def lose(self, failed: Mapping[Machine, Exception]) -> None:
        """Go on without these.

        Raises:
            MachineError: now nobody is left.
        """
        for machine, error in failed.items():
            self.machines.remove(machine)
            self.lost[machine] = _with_name(machine, str(error))
            self._say(f"{self.lost[machine]} The others continue.")
        if failed and not self.machines:
            raise MachineError("\n".join(self.lost.values()))

    def finish(self, rest: str) -> None:
        """Say that all is done, but not everywhere.

        Args:
            rest: what is true of the others.

        Raises:
            Incomplete: some were lost.
        """
        if self.lost:
            raise Incomplete("\n".join([*self.lost.values(), rest]), self.lost)


def _with_name(machine: Machine, words: str) -> str:
    is_named = re.search(rf"(?<![\w.-]){re.escape(str(machine))}(?![\w-])", words)
    return words if is_named else f"{machine}: {words}"
