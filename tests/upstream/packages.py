"""delegate_function and the newer CFiddle for tests: the real ones where they are, or stand-ins.

Neither is in a package registry. `make test-upstream DIR=...` installs them from a checkout and
sets ``TEST_UPSTREAM``; all other tests take the stand-ins beside this file.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REAL = bool(os.environ.get("TEST_UPSTREAM"))
_STAND_INS = Path(__file__).with_name("stand_in")
_OURS = "cfiddle_slurm.delegate"


def delegate_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The package, with our delegate made anew as one of it."""
    before = sys.modules.pop(_OURS, None)
    if not REAL:
        monkeypatch.syspath_prepend(str(_STAND_INS))
    package = importlib.import_module("delegate_function")
    # On the user node the package has met ours already.
    vars(package).pop("SlurmSandboxDelegate", None)
    sys.modules.pop(_OURS, None)
    importlib.import_module(_OURS)
    yield package
    if not REAL:
        del sys.modules["delegate_function"]
    del sys.modules[_OURS]
    if before is not None:
        sys.modules[_OURS] = before


def execution_method(spec: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the newer CFiddle's ``cfiddle.ext.delegate_function.execution_method`` gives."""
    if REAL:
        made: Any = importlib.import_module("cfiddle.ext.delegate_function")
        return made.execution_method(spec)
    monkeypatch.syspath_prepend(str(_STAND_INS))
    stand_in: Any = importlib.import_module("self_contained")
    return stand_in.ExecutionMethod(spec)
