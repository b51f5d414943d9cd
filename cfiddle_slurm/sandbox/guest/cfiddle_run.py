"""``cfiddle-run`` for the sandbox, which has CFiddle but not what its command imports.

CFiddle's self-contained execution calls that command inside the sandbox, by name.
"""

import importlib
import pickle
import shlex
import sys
from pathlib import Path

from cfiddle_slurm.sandbox.guest.lean import enter_cfiddle

_USAGE = "usage: cfiddle-run --runner FILE --results FILE"


def main() -> int:
    """Execute a pickled runner. Returns the exit status."""
    match sys.argv[1:]:
        case ["--runner", runner, "--results", results]:
            pass
        case _:
            print(_USAGE, file=sys.stderr)
            return 2
    enter_cfiddle(full=True)
    module = importlib.import_module("cfiddle.Runner")
    # The newer CFiddle's dill would write copies of classes, which nobody takes at home.
    vars(module)["pickle"] = pickle
    with open(runner, "rb") as incoming, open(results, "wb") as outgoing:
        module.do_invoke_runner(incoming, outgoing)
    return 0


def make_command(folder: Path) -> None:
    """Make the command that CFiddle's self-contained execution calls by its name."""
    us = str(Path(__file__).parents[3])
    program = (
        f"import sys; sys.path.append({us!r}); "
        "from cfiddle_slurm.sandbox.guest.cfiddle_run import main; sys.exit(main())"
    )
    folder.mkdir()
    command = folder / "cfiddle-run"
    words = [sys.executable, "-s", "-c", program]
    command.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    command.chmod(0o755)
