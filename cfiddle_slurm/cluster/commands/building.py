"""Building images, shown while it goes on: a line that lives, plain lines in a pipe, and a log."""

import os
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from textwrap import shorten
from typing import IO

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from cfiddle_slurm.cluster.commands.common import console, say, tell
from cfiddle_slurm.cluster.hosts import machines
from cfiddle_slurm.cluster.image import images
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.printable import one_line, printable
from cfiddle_slurm.process import ProcessError

_LOG = "images-build"
_KEPT = 5
_LONGEST_COMMAND = 80
_PER_SECOND = 4
_FRAMES = "|/-\\"


def build(head: machines.Machine, settings: images.BuildSettings, *, verbose: bool = False) -> None:
    """Build all images on the head, and show it.

    Args:
        verbose: whether each line of Docker is shown, too.

    Raises:
        MachineError: a step failed; the message has its last words and the log's place.
    """
    with _log() as log, nullcontext() if verbose else _live() as live:
        shown = Shown(log, live, verbose=verbose)
        try:
            images.build_all(head, settings, shown.say, shown.line)
        except (ClusterError, ProcessError) as error:
            shown.finish("failed")
            shown.line(str(error))
            raise machines.MachineError(f"{error}\nThe whole log is in {log.name}.") from error
        shown.finish()
    say(f"the log is in {log.name}")


class Shown:
    """What a build has come to.

    Args:
        log: gets everything, with the seconds since the start.
        live: the line that lives; None where there is none.
        verbose: whether all lines are shown.
    """

    def __init__(self, log: IO[str], live: Live | None, *, verbose: bool) -> None:
        self._log, self._live, self._verbose = log, live, verbose
        self._began = self._part_began = time.monotonic()
        self._part = self._step = ""
        if live is not None:
            live.update(self)

    def say(self, text: str) -> None:
        """A part of the work begins."""
        self.finish()
        self._part, self._part_began = text, time.monotonic()
        self._write(text)
        if self._live is None:
            say(text)

    def line(self, text: str) -> None:
        """A program has written a line."""
        self._write(f"    {text}")
        step = images.step_of(text)
        if step is not None:
            number, many, command = step
            short = shorten(one_line(command), _LONGEST_COMMAND, placeholder=" …")
            self._step = f"step {number} of {many}: {short}"
        if self._verbose:
            tell(f"    {text}")
        elif step is not None and self._live is None:
            tell(f"    {self._step}")

    def finish(self, how: str = "done") -> None:
        """The present part is over."""
        if self._part:
            text = f"{self._part}: {how} ({time.monotonic() - self._part_began:.0f} s)"
            self._write(text)
            say(text)
        self._part = self._step = ""

    def __rich__(self) -> RenderableType:
        if not self._part:
            return Text("")
        seconds = f"{time.monotonic() - self._part_began:.0f} s"
        words = ", ".join(filter(None, [printable(self._part), seconds, self._step]))
        frame = _FRAMES[int(time.monotonic() * _PER_SECOND) % len(_FRAMES)]
        return Text(f"{frame} {words}", no_wrap=True, overflow="ellipsis")

    def _write(self, text: str) -> None:
        self._log.write(f"{time.monotonic() - self._began:7.1f} {printable(text)}\n")


def _log() -> IO[str]:
    """A new log, which is written line by line.

    It is among the caches of the account (XDG Base Directory Specification), if that has a home.
    """
    name = f"{_LOG}-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
        folder = (caches if caches.is_absolute() else Path.home() / ".cache") / "cfiddle-slurm"
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob(f"{_LOG}-*.log"))[: 1 - _KEPT]:
            old.unlink(missing_ok=True)
        return (folder / name).open("x", buffering=1, encoding="utf-8", errors="replace")
    except OSError:
        return tempfile.NamedTemporaryFile(
            "w", prefix=f"cfiddle-{_LOG}-", suffix=".log", delete=False,
            buffering=1, encoding="utf-8", errors="replace",
        )  # fmt: skip


def _live() -> AbstractContextManager[Live | None]:
    """A line that is drawn again and again, on a terminal that can do that."""
    if not console.is_terminal or console.is_dumb_terminal:
        return nullcontext()
    return Live(console=console, refresh_per_second=_PER_SECOND, transient=True)
