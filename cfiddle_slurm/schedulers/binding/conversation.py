"""A conversation with one helper process, from its start to its end."""

import json
import os
import select
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, TimeoutExpired
from typing import Any

from cfiddle_slurm import process
from cfiddle_slurm.process import CommandMissing, last_words
from cfiddle_slurm.schedulers.slurm_commands import command_environment

PROGRAM = Path(__file__).with_name("helper.py")
_CHUNK = 64 << 10
_LONGEST_LINE = 16 << 20
_END_SECONDS = 1.0
_MOST_WORDS = 4 << 10

Table = dict[str, Any]


class Unanswered(Exception):
    """There is no answer, and the conversation is over.

    Attributes:
        words: why.
        died: whether the helper had ended; otherwise it was ended, since it took too long.
        in_good_order: whether it had ended by itself, since nobody had asked for long.
        taken: whether the helper had begun to ask Slurm; if not, Slurm has heard of nothing.
    """

    def __init__(self, words: str, *, died: bool = True, in_good_order: bool = False) -> None:
        super().__init__(words)
        self.words, self.died, self.in_good_order = words, died, in_good_order
        self.taken = False


class Failed(Exception):
    """The answer is an error of Slurm's, or of pyslurm's.

    Attributes:
        words: the error's.
        log: what Slurm's library printed meanwhile.
    """

    def __init__(self, words: str, log: str) -> None:
        super().__init__(words)
        self.words, self.log = words, log


class Conversation:
    """One helper process, which one thread at a time may ask.

    Raises:
        Unanswered: it cannot be started.
    """

    def __init__(self) -> None:
        self._number = 0
        self._taken = False
        self._is_ready = False
        self._buffer = b""
        try:
            self._words = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the helper
            self._child = process.start(
                [sys.executable or "python3", str(PROGRAM)],
                stdin=PIPE,
                stdout=PIPE,
                stderr=self._words,
                env=command_environment(os.environ),
                cwd=Path("/"),  # the folder of a notebook may go while the helper lives
            )
        except (CommandMissing, OSError) as error:
            raise Unanswered(f"it cannot be started: {error}") from error
        self._into, self._out_of = (
            stream.fileno() for stream in (self._child.stdin, self._child.stdout) if stream
        )
        for descriptor in (self._into, self._out_of):
            os.set_blocking(descriptor, False)

    def ready(self, give_up: float) -> bool:
        """Whether it can be asked.

        Args:
            give_up: when to stop waiting for that, on the monotonic clock.

        Raises:
            Failed: pyslurm cannot be used here.
            Unanswered: the helper has ended.
        """
        if not self._is_ready:
            try:
                self._is_ready = self._answer(give_up) is not None
            except EOFError:
                raise self._end(died=True) from None
        return self._is_ready

    def ask(self, question: Table, give_up: float) -> Any:
        """Ask, and return the answer.

        Args:
            question: what the helper's module says, without the number.
            give_up: when the helper is ended instead, on the monotonic clock.

        Raises:
            Failed: it is an error.
            Unanswered: there is none.
        """
        self._number += 1
        self._taken = died = False
        try:
            self._send(json.dumps({**question, "n": self._number}).encode() + b"\n", give_up)
            answer = self._answer(give_up)
        except (BrokenPipeError, EOFError):
            died, answer = True, None
        if answer is not None:
            return answer["answer"]
        unanswered = self._end(died=died)
        with suppress(EOFError):  # what it said before it was ended counts
            answer = self._answer(time.monotonic())
        if answer is not None:
            return answer["answer"]
        unanswered.taken = self._taken
        raise unanswered

    def close(self) -> None:
        """End the helper."""
        process.end_group(self._child)
        self.forget()

    def forget(self) -> None:
        """Let go of the helper, which may be another process's."""
        for stream in (self._child.stdin, self._child.stdout, self._words):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _send(self, data: bytes, give_up: float) -> None:
        left = memoryview(data)
        while left and _can(self._into, select.POLLOUT, give_up):
            left = left[os.write(self._into, left) :]

    def _answer(self, give_up: float) -> Table | None:
        """The answer to the latest question; None if there is none in time."""
        while True:
            table = self._next_table()
            if table is None:
                if not _can(self._out_of, select.POLLIN, give_up):
                    return None
                data = os.read(self._out_of, _CHUNK)
                if not data or len(self._buffer) > _LONGEST_LINE:
                    raise EOFError
                self._buffer += data
            elif table.get("n") == self._number:
                if "error" in table:
                    raise Failed(str(table["error"]), str(table.get("log", "")))
                if "answer" in table:
                    return table
                self._taken = True

    def _next_table(self) -> Table | None:
        """The next line that is a table; what a site's Python prints when it starts is none."""
        while b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            with suppress(ValueError):
                table = json.loads(line)
                if isinstance(table, dict):
                    return table
        return None

    def _end(self, *, died: bool) -> Unanswered:
        """End the helper, if it has not ended itself."""
        with suppress(TimeoutExpired):
            self._child.wait(_END_SECONDS if died else 0)
        status = self._child.poll()
        process.end_group(self._child)
        words = "its process has ended" if died else "it gave no answer in time"
        size = self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, size - _MOST_WORDS))
        said = last_words(self._words.read().decode(errors="replace"))
        return Unanswered(
            f"{words}: {said}" if said else words, died=died, in_good_order=status == 0
        )


def _can(descriptor: int, what: int, give_up: float) -> bool:
    """Whether something can be read or written in time; an end counts."""
    poll = select.poll()
    poll.register(descriptor, what)
    left = give_up - time.monotonic()
    return bool(poll.poll(max(0.0, left) * 1000))
