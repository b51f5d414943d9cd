"""A notebook's sign of life: it touches a file of each run that it waits for, again and again.

A run whose notebook is gone would take its turn in the queue for nobody; the job looks at that
file before it starts anything (:mod:`cfiddle_slurm.sandbox.claim`).
"""

import os
import threading
from contextlib import suppress
from pathlib import Path

from cfiddle_slurm.sandbox.claim import BEAT_SECONDS


class Heart:
    """Touches files in a thread of its own, which lives as long as there are any."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a process that was forked: it has neither the thread nor the runs."""
        self._changed = threading.Condition()
        self._files: set[Path] = set()
        self._beats = False

    def begin(self, file: Path) -> bool:
        """Touch a file from now on; whether that is possible."""
        with self._changed:
            if not self._beats:
                try:
                    threading.Thread(
                        target=self._beat, name="cfiddle-heartbeat", daemon=True
                    ).start()
                except RuntimeError:  # no more threads to be had
                    return False
                self._beats = True
            self._files.add(file)
        return True

    def end(self, file: Path) -> None:
        """Touch it no more."""
        with self._changed:
            self._files.discard(file)
            self._changed.notify_all()

    def _beat(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._files, BEAT_SECONDS)
                self._beats = bool(self._files)
                if not self._beats:
                    return
                files = list(self._files)
            for file in files:
                with suppress(OSError):
                    # Without a time of its own: a network file system's server says what "now" is.
                    os.utime(file)


heart = Heart()
"""This process's own."""
os.register_at_fork(after_in_child=heart.forget)
