"""How sandboxd knows that all output has come, without waiting for the container to end.

Output and status come through different pipes, so the status says nothing of what was printed
before it. The guest is given a word that nobody could have known before, and says it on its
standard error, where by then nobody else speaks: the experiment's processes are gone.
"""

import os

from cfiddle_slurm.sandbox.protocol import PING, header

_BYTES = 16


class Echo:
    """The word, and the output in which it is looked for.

    Attributes:
        heard: whether the guest has said it: all output has come.
    """

    def __init__(self) -> None:
        self.heard = False
        self._word = os.urandom(_BYTES)
        self._held = b""

    def frame(self) -> bytes:
        """What asks the guest to say the word; one that does not know how just ends."""
        return header(PING, _BYTES) + self._word

    def take(self, part: bytes | memoryview) -> bytes:
        """Of what came, the output; what may be the beginning of the word is held back."""
        self._held += part
        before, word, _ = self._held.partition(self._word)
        if word:
            self.heard, self._held = True, b""
            return before
        kept = min(len(self._held), _BYTES - 1)
        shown, self._held = (
            self._held[: len(self._held) - kept],
            self._held[-kept:] if kept else b"",
        )
        return shown

    def rest(self) -> bytes:
        """What was held back, when nothing more will come."""
        rest, self._held = self._held, b""
        return rest
