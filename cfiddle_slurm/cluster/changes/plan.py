"""A change as data: its steps, what each needs, and whether it is done already."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.process import ProcessError

_Work = TypeVar("_Work")


class State(enum.Enum):
    """What would become of a step."""

    DONE = "done"
    TO_DO = "to do"
    EACH_TIME = "each time"
    FAILS = "fails"


@dataclass(frozen=True)
class Step(Generic[_Work]):
    """One step of a change. It does only what is missing.

    Attributes:
        name: by which others need it.
        does: what it does, in a few words.
        act: does it.
        needs: the steps without which it cannot be done.
        only_looks: whether it changes nothing: it finds that all is well, or fails.
        is_done: looks, and changes nothing, whether :attr:`act` would find nothing missing; None
            where that cannot be told without doing it.
        concerns: whether a change like this one has this step.
    """

    name: str
    does: str
    act: Callable[[_Work], object]
    needs: tuple[str, ...] = ()
    only_looks: bool = False
    is_done: Callable[[_Work], bool] | None = None
    concerns: Callable[[_Work], bool] = lambda work: True


@dataclass(frozen=True)
class Foreseen:
    """What a step would do now; for one that fails, why."""

    name: str
    does: str
    needs: tuple[str, ...]
    state: State
    why: str = ""


def run(steps: Sequence[Step[_Work]], work: _Work) -> None:
    """Do all steps, one after the other."""
    for step in steps:
        if step.concerns(work):
            step.act(work)


def foresee(steps: Sequence[Step[_Work]], work: _Work) -> list[Foreseen]:
    """What :func:`run` would do, without changing anything.

    A step that needs one which is still to be done is to be done, too: only then could one look.
    """
    found: list[Foreseen] = []
    missing: set[str] = set()
    for step in steps:
        if not step.concerns(work):
            continue
        state, why = State.TO_DO, ""
        if not missing.intersection(step.needs):
            state, why = _look(step, work)
        if state in (State.TO_DO, State.FAILS):
            missing.add(step.name)
        found.append(Foreseen(step.name, step.does, step.needs, state, why))
    return found


def _look(step: Step[_Work], work: _Work) -> tuple[State, str]:
    try:
        if step.only_looks:
            step.act(work)
        elif step.is_done is None:
            return State.EACH_TIME, ""
        elif not step.is_done(work):
            return State.TO_DO, ""
    except (ClusterError, ProcessError) as error:
        return State.FAILS, str(error)
    return State.DONE, ""
