"""Executed on the user node, as the attacker: ``python3 -m tests.attacks.driver FOLDER PLAN``.

Carries out the attack in a folder, then an ordinary run. The plan is JSON: the ``door``, the
``settings``, the ``arguments``. Prints what the attack printed, and last, in a line of its own that
begins with ``VERDICT``, how both ended as JSON.
"""

import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cfiddle

import cfiddle_slurm
from tests.attacks.student import Student

MARK = "VERDICT "
ORDINARY = 'extern "C" long ordinary(long n) { return n * n; }'


def main(folder: Path, plan: dict[str, Any]) -> None:
    """Attack, and see whether an ordinary run is right afterwards."""
    # A notebook imports what lies in its folder, a program that `python3 -m` starts only what lay
    # in the folder where it was started: without this, nobody would import what an attack leaves.
    sys.path.insert(0, "")
    verdict: dict[str, Any] = {"error": None, "message": "", "value": None}
    # Always the same one: it is built once for all attacks.
    workshop = Path.home() / "ordinary"
    workshop.mkdir(exist_ok=True)
    os.chdir(workshop)
    ordinary = cfiddle.build(cfiddle.code(ORDINARY))
    with tempfile.TemporaryDirectory(prefix="attack ", dir=Path.home()) as place:
        os.chdir(place)
        cfiddle_slurm.configure(scheduler="slurm", **plan["settings"])
        verdict["began"] = time.time()
        try:
            verdict["value"] = DOORS[plan["door"]](folder, plan["arguments"])
        except cfiddle.CFiddleException as error:
            verdict["error"], verdict["message"] = type(error).__name__, str(error)
        verdict["ended"] = time.time()
        os.chdir(workshop)
        report = cfiddle_slurm.last_report()
        verdict["report"] = report.to_dict() if report is not None else None
        cfiddle_slurm.configure(scheduler="slurm", submit="srun")
        after = cfiddle.run(ordinary, "ordinary", cfiddle.arg_map(n=12))
        verdict["ordinary"] = after[0].return_value
        os.chdir("/")
    sys.stderr.flush()
    print(f"\n{MARK}{json.dumps(verdict)}", flush=True)


def experiment(folder: Path, arguments: dict[str, Any]) -> Any:
    """Compiled code, measured by CFiddle."""
    source = next(path for path in folder.glob("attack.c*"))
    built = cfiddle.build(str(source))
    return cfiddle.run(built, "attack", cfiddle.arg_map(**arguments))[0].return_value


def call(folder: Path, arguments: dict[str, Any]) -> Any:
    """A method that the delegate executes in the sandbox."""
    attack = load(folder).Attack()
    return cfiddle_slurm.SlurmSandboxDelegate().invoke(attack, "attack", **arguments)


def notebook(folder: Path, arguments: dict[str, Any]) -> Any:
    """Anything a student can type."""
    return load(folder).attack(Student(Path.cwd()), **arguments)


DOORS: dict[str, Callable[[Path, dict[str, Any]], Any]] = {
    "experiment": experiment,
    "call": call,
    "notebook": notebook,
}


def load(folder: Path) -> ModuleType:
    """The attack's own module, as a notebook's user would import it."""
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("attack", folder / "attack.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["attack"] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), json.loads(sys.argv[2]))
