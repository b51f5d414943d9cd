"""The harness is Python, and so is the call in it."""

import os
import sys
from typing import Any


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> str:
        """An honest value, which a changed harness does not write."""
        experiment = sys.modules["cfiddle_slurm.sandbox.guest.experiment"]
        recorder: Any = vars(experiment)["Recorder"]
        honest = recorder.record

        def record(self: Any, what: tuple[Any, ...]) -> None:
            honest(self, (*what[:-1], "forged") if what[0] == "returned" else what)

        recorder.record = record
        # What could be changed in the image would be there for the next run, too.
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None) or "/work"
            if not file.startswith("/work") and os.access(file, os.W_OK):
                raise RuntimeError(f"{file} may be written")
        return "honest"
