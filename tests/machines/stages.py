"""How a run is brought to a stage of its way, and held there until the fault has happened."""

import json
import queue
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cfiddle_slurm import process
from tests.machines.harness import Machines
from tests.patience import SECONDS

STAGES = ("staged", "submitted", "queued", "starting", "running", "returning")
USER = "faults"
JOBS = f"/srv/home/{USER}/.cfiddle-slurm/jobs"
"""Where its runs have their directories, as the machines see it."""
_PROGRAM = Path(__file__).parent / "notebook.py"
_WRAP = 'mkdir -p wrapped && printf "%s\\n" "$1" >wrapped/sbatch && chmod +x wrapped/sbatch'
NAP = 4000
"""Milliseconds that a run takes which is met while it runs."""
_LARGE = 8
# On the worker, as root. The brackets keep the pattern from matching this shell's own command line.
_UNTIL = """
folder={jobs}/{run}
echo ready
until {condition}; do sleep 0.01; done
{then}
echo reached
"""
_STOP = "pkill -STOP -f '[c]fiddle-sandbox run .*{run}'"
_CONDITIONS = {
    "starting": ('[ -e "$folder/started.json" ]', _STOP),
    "running": ('grep -qs running "$folder/output.log"', ":"),
    "returning": ('[ -s "$folder/result.tar.part" ]', _STOP),
}


@dataclass
class Staged:
    """A run that is somewhere on its way.

    Attributes:
        node: where its first attempt is to run; empty for wherever Slurm likes.
        run_id, job_id: of its first attempt.
        ended: how it ended, as ``notebook.py`` tells.
    """

    name: str
    stage: str
    node: str = ""
    run_id: str = ""
    job_id: str = ""
    ended: dict[str, Any] = field(default_factory=dict)


class Notebook:
    """A notebook's process on the user node.

    Args:
        machines: the cluster.
        sbatch: a script that takes the place of sbatch for it.
    """

    def __init__(self, machines: Machines, sbatch: str = "") -> None:
        self._machines = machines
        self._runs: dict[str, Staged] = {}
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        program = 'exec env PATH="$HOME/wrapped:$PATH" python3' if sbatch else "exec python3"
        if sbatch:
            machines.check("run", USER, "sh", "-c", _WRAP, "sh", sbatch)
        machines.check("copy", USER, str(_PROGRAM), "notebook.py")
        self._child = process.start(
            machines.command("run", USER, "sh", "-c", f"{program} -W ignore notebook.py"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=machines.environment,
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()
        self.pid = int(self._wait("ready")["pid"])

    def _listen(self) -> None:
        for line in self._child.stdout or ():
            self._events.put(json.loads(line))
        self._events.put({"event": "gone"})

    def _wait(self, event: str, name: str = "", seconds: float = SECONDS) -> dict[str, Any]:
        """The next event of a kind; what happens to other runs meanwhile is noted."""
        give_up = time.monotonic() + seconds
        while True:
            found = self._events.get(timeout=max(0.1, give_up - time.monotonic()))
            assert found["event"] != "gone" or event == "gone", "the notebook has ended"
            run = self._runs.get(found.get("name", ""))
            if run is not None and found["event"] == "ended":
                run.ended = found
            elif run is not None:
                run.run_id = run.run_id or found["run_id"]
                run.job_id = run.job_id or found.get("job_id", "")
            if found["event"] == event and found.get("name", "") == name:
                return found
            assert not (found["event"] == "ended" and found["name"] == name), found

    def _tell(self, **command: Any) -> None:
        stream = self._child.stdin
        assert stream is not None
        stream.write(json.dumps(command).encode() + b"\n")
        stream.flush()

    def begin(self, name: str, stage: str, node: str = "", nap: int = NAP) -> Staged:
        """Start a run and bring it to a stage; ``""`` for none: it is just started.

        At ``staging`` it has no directory yet.
        """
        run = self._runs[name] = Staged(name, stage, node)
        watched = stage in _CONDITIONS
        self._tell(
            do="run", name=name, node=node,
            hold="" if stage == "queued" else "staged" if watched else stage,
            milliseconds=nap if stage == "running" else 0,
            megabytes=_LARGE if stage == "returning" else 0,
        )  # fmt: skip
        if watched:
            self._wait("staged", name)
            self._bring(run)
        elif stage:
            self._wait("submitted" if stage == "queued" else stage, name)
        return run

    def _bring(self, run: Staged) -> None:
        condition, then = _CONDITIONS[run.stage]
        text = _UNTIL.format(condition=condition, then=then, jobs=JOBS, run=run.run_id)
        command = self._machines.arguments_on(run.node, "sh", "-c", text.format(run=run.run_id))
        with process.started(command) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            self._tell(do="go", name=run.name)
            assert child.stdout.readline() == b"reached\n"

    def release(self, run: Staged) -> None:
        """Let a run go on."""
        if run.stage in ("staging", "staged", "submitted"):
            self._tell(do="go", name=run.name)
        elif run.stage in ("starting", "returning"):
            # It may have been killed: then there is nothing to let go on.
            pattern = f"cfiddle-sandbox run .*{run.run_id}"
            process.run(
                self._machines.arguments_on(run.node, "pkill", "-CONT", "-f", pattern), timeout=60
            )

    def finish(self, run: Staged, seconds: float = SECONDS) -> dict[str, Any]:
        """Wait until a run has ended; how it did."""
        if not run.ended:
            self._wait("ended", run.name, seconds)
        return run.ended

    def ordinary(self, node: str = "") -> None:
        """A run with which nothing is wrong."""
        run = self.begin(f"ordinary-{node}-{time.monotonic_ns()}", "", node)
        ended = self.finish(run)
        assert ended["right"] and ended["error"] is None, ended

    def kill(self) -> None:
        """Kill the notebook's process, as the kernel's out-of-memory killer would."""
        self._machines.on_service("head", "user", "kill", "-9", str(self.pid))
        self._wait("gone")

    def close(self) -> None:
        """End it in good order."""
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()
        process.end_group(self._child)
