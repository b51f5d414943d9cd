"""Small CFiddle experiments, built without CFiddle's own slow way of building."""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfiddle.Builder import Executable, ExecutableDescription
from cfiddle.ProtoParser import Parameter, Prototype
from cfiddle.Runner import InvocationDescription
from cfiddle.source import InstrumentedExecutable
from cfiddle.Toolchain import GCCToolchain

from cfiddle_slurm import process

SOURCE = b"int twice(int n) { return 2 * n; }"
FUNCTIONS = {"twice": Prototype(ctypes.c_int, "twice", [Parameter(ctypes.c_int, "n")])}


def library(folder: Path) -> Path:
    """A shared library that exports ``twice``, in a new folder."""
    folder.mkdir(parents=True)
    made = folder / "twice.so"
    gcc = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(made)]
    process.check(gcc, timeout=60, input=SOURCE)
    return made


def executable(lib: Path, kind: type = InstrumentedExecutable) -> Any:
    """What ``build()`` returns for a library: an object of its own, each time."""
    description = ExecutableDescription("twice.c", {"opt": "-O1"})
    toolchain = GCCToolchain("c", {})
    made: Any = kind(str(lib), toolchain, str(lib.parent), "", "make", description, FUNCTIONS)
    assert isinstance(made, Executable)
    return made


def invocation(
    lib: Path,
    number: Any = 1,
    options: Mapping[str, object] | None = None,
    kind: type = InstrumentedExecutable,
) -> Any:
    """One invocation of ``twice``."""
    return InvocationDescription(
        executable(lib, kind), "twice", {"n": number}, run_options=dict(options or {})
    )
