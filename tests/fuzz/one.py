"""Fuzz one target in this process: ``python -m tests.fuzz.one PROGRAM TARGET [arguments]``.

PROGRAM is what libFuzzer starts anew for each round of a merge, with the same arguments.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

# What the fuzzer follows, beside the readers: the parts of the standard library under them.
_FOLLOWED = ["cfiddle_slurm", "tarfile", "pickle", "json"]


def main() -> None:
    """Follow the readers while they are loaded, then hand the target to the fuzzer."""
    # Loaded by name: this module can be looked at where there is no fuzzer.
    atheris: Any = importlib.import_module("atheris")
    for name in [name for name in sys.modules if name.partition(".")[0] in _FOLLOWED]:
        del sys.modules[name]
    with atheris.instrument_imports(include=_FOLLOWED, enable_loader_override=False):
        targets = importlib.import_module("tests.fuzz.targets")
    program, name, *options = sys.argv[1:]
    target: Callable[[bytes], None] = targets.TARGETS[name]
    atheris.Setup([program, *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
