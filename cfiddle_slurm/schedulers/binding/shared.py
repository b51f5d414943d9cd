"""The one helper of this process: started when it is needed, and started anew, but not for ever."""

import atexit
import importlib.util
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

from cfiddle_slurm.notices import tell
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.process import last_words
from cfiddle_slurm.schedulers.binding.conversation import Conversation, Failed, Unanswered
from cfiddle_slurm.schedulers.slurm_parse import Trouble, trouble_of

ANSWER_SECONDS = 10.0
"""As long as one of Slurm's commands may take."""
START_SECONDS = 10.0
"""Longest wait for a start, until one takes longer: without Slurm that may be a minute."""
_MOST_DEATHS = 3
_DEATHS_WITHIN = 600.0
"""A helper that has died so often in so many seconds is not started again before some are over."""


class Unavailable(Exception):
    """The helper was not asked, and Slurm has heard of nothing."""


class Shared:
    """The helper that the threads of a process share."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._helper: Conversation | None = None
        self._deaths: deque[float] = deque(maxlen=_MOST_DEATHS)
        self._never: str | None = None
        self._is_patient = True
        self._has_told = False

    def ask(self, binding: str, question: dict[str, Any]) -> Any:
        """Ask the helper, and return its answer.

        Args:
            binding: the setting: with ``"pyslurm"``, a helper that has just been started is
                waited for, and where there is none, that is said once.
            question: as the helper's module describes it.

        Raises:
            Unavailable: Slurm's commands are to be used.
            Failed: the answer is an error.
            Unanswered: Slurm may have been asked or not.
        """
        if binding == "commands":
            raise Unavailable
        # Others may be waiting in vain for a Slurm that hangs: not one after the other.
        if not self._lock.acquire(timeout=ANSWER_SECONDS):
            raise Unavailable
        try:
            return self._ask(binding, question)
        except Unavailable as error:
            self._tell(binding, str(error))
            raise
        finally:
            self._lock.release()

    def _ask(self, binding: str, question: dict[str, Any]) -> Any:
        why = ""
        for _ in range(2):
            helper = self._started(binding)
            try:
                return helper.ask(question, time.monotonic() + ANSWER_SECONDS)
            except Failed as error:
                # Slurm's library has read only once where the controller is: it may have moved.
                if trouble_of(error.words) is Trouble.NOT_REACHED:
                    self._note_death()
                raise
            except Unanswered as error:
                self._note_end(error)
                if error.taken:
                    raise
                why = error.words
                if not error.in_good_order:
                    break
            except BaseException:  # Ctrl-C: the answer would be taken for another question's
                self.close()
                raise
        raise Unavailable(why)

    def _started(self, binding: str) -> Conversation:
        """A helper that can be asked."""
        if self._never is not None:
            raise Unavailable(self._never)
        try:
            if self._helper is None:
                self._helper = self._start(binding)
            patience = START_SECONDS if binding == "pyslurm" and self._is_patient else 0.0
            if self._helper.ready(time.monotonic() + patience):
                self._is_patient = True
                return self._helper
        except Failed as error:
            self._never = last_words(error.log) or error.words
            self.close()
            raise Unavailable(self._never) from error
        except Unanswered as error:
            self._is_patient = False
            self._note_end(error)
            raise Unavailable(error.words) from error
        except BaseException:
            self.close()
            raise
        self._is_patient = self._is_patient and binding == "auto"
        raise Unavailable("its start takes too long")

    def _start(self, binding: str) -> Conversation:
        if binding == "auto" and not _may_be_there():
            self._never = "pyslurm is not installed"
            raise Unavailable(self._never)
        deaths = self._deaths
        if len(deaths) == _MOST_DEATHS and time.monotonic() < deaths[0] + _DEATHS_WITHIN:
            raise Unavailable("it has failed too often")
        return Conversation()

    def _note_end(self, error: Unanswered) -> None:
        if error.in_good_order and not error.taken:
            self.close()
        else:
            self._note_death()

    def _note_death(self) -> None:
        self._deaths.append(time.monotonic())
        self.close()

    def _tell(self, binding: str, words: str) -> None:
        if binding == "pyslurm" and not self._has_told:
            self._has_told = True
            why = f"pyslurm cannot be asked ({one_line(words)})"
            tell(f"{why}: Slurm's commands are used instead.")

    def close(self) -> None:
        """End the helper; the next question starts another."""
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.close()

    def forget(self) -> None:
        """In a forked child: the helper is the parent's, which alone keeps it alive."""
        helper = self._helper
        self._begin()
        if helper is not None:
            helper.forget()
            _of_parents.append(helper)


_of_parents: list[Conversation] = []
"""Kept, so that nothing is done about a child that is another process's."""


def _may_be_there() -> bool:
    """Whether it is worth starting a helper. Looks for the module and does not import it."""
    with suppress(ImportError, ValueError):
        return importlib.util.find_spec("pyslurm") is not None
    return False


shared = Shared()
atexit.register(shared.close)
os.register_at_fork(after_in_child=shared.forget)
