"""Take one wall away, and see that the attacks which it stops now reach something.

``python -m tests.attacks.undefended [--wall WALL] [NAME ...]`` (``make test-walls``) needs an
engine with the sandbox image, and no cluster: it starts a sandboxd, and plays Slurm by
``stand_in``. ``--engine`` names the engine's socket where it is not the usual one. ``--wall`` takes
another wall away than the attacks name (``none``: none at all).
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.process import CommandTimeout, ProcessError
from cfiddle_slurm.sandbox.client import __main__ as client
from cfiddle_slurm.sandbox.daemon.engine import ENGINE_URL
from cfiddle_slurm.sandbox.protocol import SOCKET_VARIABLE
from tests.attacks import stand_in
from tests.attacks.corpus import ATTACKS, HERE, Attack, read_verdict
from tests.attacks.walls import MIB, WALLS, Wall, reached
from tests.sandbox.harness import IMAGE, Sandboxd

ROOT = HERE.parents[1]
STUDENT = 21098
"""The attacker's account on this machine: a number that is nobody's."""
# It may read anything, since the Python that it needs may lie in root's home; and change nothing.
_READS = "-all,+dac_read_search"
_AS_STUDENT = (
    "setpriv", f"--reuid={STUDENT}", f"--regid={STUDENT}", "--clear-groups", "--no-new-privs",
    f"--inh-caps={_READS}", f"--ambient-caps={_READS}", f"--bounding-set={_READS}", "--",
)  # fmt: skip
SECONDS = 200.0
POLICY = {
    "images": f'["{IMAGE}"]',
    "memory": '"512MiB"',
    "wall_seconds": "60",
    "work_bytes": '"200MiB"',
    "busy_wait_seconds": "30",
    "connections": "64",
    "connections_per_user": "16",
}
_SCRIPT = '#!/bin/sh\nexec "{python}" {options} "{program}" {words} "$@"\n'


class Undefended:
    """A worker without one wall, and a notebook that submits to it.

    Args:
        folder: an empty one, for all that belongs to it.
        name: the wall's.
        engine: URL of the engine.
    """

    def __init__(self, folder: Path, name: str, engine: str) -> None:
        self.folder, self.name, self.wall = folder, name, WALLS[name]
        policy = {**POLICY, **self.wall.policy}
        lines = "\n".join(f"{key} = {value}" for key, value in policy.items())
        program = ("tests.attacks.weaker", "sandboxd", name)
        self.sandboxd = Sandboxd(folder / "sandboxd", lines, engine, program=program)
        self.sandboxd.real_engine = engine
        self._programs, self._home = folder / "bin", folder / "home"
        self._jobs = folder / "slurm"
        for place in (self._programs, self._home, self._jobs):
            place.mkdir()
        # The attacker is nobody here: an attack that goes astray has no rights to do harm with.
        for place in (self._home, self._jobs):
            os.chown(place, STUDENT, STUDENT)
        folder.chmod(0o755)
        for command in stand_in.COMMANDS:
            self._add(command, "", Path(stand_in.__file__), command)
        self._add("cfiddle-sandbox", "-I -S", Path(client.__file__), "")

    def _add(self, command: str, options: str, program: Path, words: str) -> None:
        made = self._programs / command
        made.write_text(
            _SCRIPT.format(python=sys.executable, options=options, program=program, words=words)
        )
        made.chmod(0o755)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Have it work."""
        with self.sandboxd:
            self.sandboxd.start()
            registrar = stand_in.Registrar(self._jobs, self.sandboxd.jobs, STUDENT)
            registrar.start()
            try:
                yield
            finally:
                registrar.stop()
            self.sandboxd.stop()

    def attack(self, attack: Attack) -> str:
        """Carry an attack out; what it reached, nothing if it was stopped all the same.

        Raises:
            AssertionError, ProcessError: the attacker's own process did not come to its end.
        """
        settings = {**attack.settings, **self.wall.settings}
        plan = {"door": attack.door, "settings": settings, "arguments": attack.arguments}
        words = [
            *_AS_STUDENT, sys.executable, "-W", "ignore", "-m", "tests.attacks.weaker",
            "notebook", self.name, str(attack.folder), json.dumps(plan),
        ]  # fmt: skip
        try:
            done = process.run(words, timeout=SECONDS, cwd=ROOT, env=self._environment())
            verdict = read_verdict(attack, done)
        except CommandTimeout:
            if self.wall.hangs:
                return f"the notebook's program hung for {SECONDS:g} s"
            raise
        except AssertionError:
            # What ends the notebook's program has reached it.
            if self.wall.notebook is not None:
                return f"the notebook's program ended with status {done.status}"
            raise
        self.printed = verdict.printed
        asked = attack.settings.get("memory", "512MiB")
        return reached(
            self.wall, verdict, attack.faults(verdict), int(asked.removesuffix("MiB")) * MIB
        )

    def _environment(self) -> dict[str, str]:
        path = f"{self._programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {
            "HOME": str(self._home), "USER": "student", "PATH": path, "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
            "CFIDDLE_SLURM_SCHEDULER": "slurm", "STAND_IN": str(self.folder),
            SOCKET_VARIABLE: str(self.sandboxd.socket),
        }  # fmt: skip


def try_all(name: str, attacks: Sequence[Attack], engine: str) -> Iterator[tuple[Attack, str, str]]:
    """Take a wall away; each attack with what it reached, and with what it printed."""
    with tempfile.TemporaryDirectory(prefix="undefended ") as folder:
        worker = Undefended(Path(folder), name, engine)
        with worker.open():
            for attack in attacks:
                worker.printed = ""
                try:
                    found = worker.attack(attack)
                except (AssertionError, ProcessError) as error:
                    found, worker.printed = "", str(error)
                yield attack, found, worker.printed
        # Where some attacks write what shows that they got out.
        Path("/tmp/executed").unlink(missing_ok=True)


def drop_caches(wall: Wall) -> None:
    """Files' pages count for whoever reads them first: nobody may have read them."""
    if wall is WALLS["page cache"]:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit status tells whether each attack reached something."""
    parser = argparse.ArgumentParser(description="Take one wall away at a time.")
    parser.add_argument("--wall", choices=sorted(WALLS))
    parser.add_argument("--engine", default=ENGINE_URL)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args(arguments)
    attacks = [Attack.load(name) for name in options.names or [path.name for path in ATTACKS]]
    without = [attack for attack in attacks if not (options.wall or attack.wall)]
    tried = [attack for attack in attacks if options.wall or attack.wall]
    tried.sort(key=lambda attack: options.wall or attack.wall)
    stopped = 0
    for name, group in groupby(tried, key=lambda attack: options.wall or attack.wall):
        drop_caches(WALLS[name])
        print(f"\nwithout {name!r}: {WALLS[name].what}", flush=True)
        for attack, found, printed in try_all(name, list(group), options.engine):
            print(f"  {attack.name:32} {one_line(found) or 'NOTHING'}", flush=True)
            stopped += not found
            if not found and len(tried) < 4:
                print(printed[-4000:])
    print(f"\n{len(tried) - stopped} of {len(tried)} attacks reach something without their wall.")
    print(f"{len(without)} name none that could be taken away alone:")
    for attack in without:
        print(f"  {attack.name:32} {attack.why_no_wall}")
    return 1 if stopped else 0


def one_line(text: str) -> str:
    """As much of it as a table has room for."""
    return " ".join(text.split())[:110]


if __name__ == "__main__":
    sys.exit(main())
