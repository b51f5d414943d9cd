"""Executed on the user node: a notebook whose runs stop on their way where a test wants them to.

It reads one JSON object a line, ``{"do": "run", "name": …, "hold": …, "node": …, "milliseconds": …,
"megabytes": …}`` or ``{"do": "go", "name": …}``, and prints one a line for whatever happens to a
run: ``staging``, ``staged``, ``submitted``, ``ended``. A run that is held at one of the first three
goes on after ``go``. ``node`` is where the first attempt is to run; a second one goes wherever
Slurm likes.
"""

import dataclasses
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cfiddle

import cfiddle_slurm
from cfiddle_slurm.job_directory import JobDirectory
from cfiddle_slurm.schedulers.slurm import SlurmScheduler
from cfiddle_slurm.settings import Settings

SOURCE = r"""
#include <stdio.h>
#include <string.h>
#include <unistd.h>
extern "C" int work(int n, int milliseconds, int megabytes) {
    static char block[1 << 20];
    memset(block, n, sizeof block);
    puts("running");
    fflush(stdout);
    usleep(milliseconds * 1000);
    if (megabytes) {
        FILE *file = fopen("large.out", "w");
        for (int i = 0; i < megabytes; i++) fwrite(block, sizeof block, 1, file);
        fclose(file);
    }
    return n * n;
}
"""

_lock = threading.Lock()
_gates: dict[str, threading.Event] = {}
_mine = threading.local()
_submit = SlurmScheduler.submit
_create = JobDirectory.create


def say(event: str, **facts: Any) -> None:
    with _lock:
        print(json.dumps({"event": event, **facts}), flush=True)


def submit(self: SlurmScheduler, run_id: str, folder: Path, settings: Settings) -> str:
    """As Slurm's own, with stops before and after it at the run's first attempt."""
    wanted = _mine.wanted
    _mine.attempts.append(run_id)
    first = len(_mine.attempts) == 1
    if first and wanted.get("node"):
        pinned = (*settings.sbatch_options, f"--nodelist={wanted['node']}")
        settings = dataclasses.replace(settings, sbatch_options=pinned)
    say("staged", name=wanted["name"], run_id=run_id)
    if first and wanted.get("hold") == "staged":
        _gates[wanted["name"]].wait()
    job_id = _submit(self, run_id, folder, settings)
    say("submitted", name=wanted["name"], run_id=run_id, job_id=job_id)
    if first and wanted.get("hold") == "submitted":
        _gates[wanted["name"]].wait()
    return job_id


def create(jobs_directory: Path, run_id: str, **options: Any) -> JobDirectory:
    """As the class's own, with a stop before it."""
    if _mine.wanted.get("hold") == "staging":
        say("staging", name=_mine.wanted["name"], run_id="")
        _gates[_mine.wanted["name"]].wait()
    return _create(jobs_directory, run_id, **options)


def run(exe: Any, wanted: dict[str, Any]) -> None:
    _mine.wanted, _mine.attempts = wanted, []
    number, error, words, fits = len(wanted["name"]), None, "", False
    arguments = cfiddle.arg_map(
        n=number,
        milliseconds=wanted.get("milliseconds", 0),
        megabytes=wanted.get("megabytes", 0),
    )
    try:
        result = cfiddle.run(exe, "work", arguments)
        fits = [one.return_value for one in result] == [number * number]
    except cfiddle.CFiddleException as failure:
        error, words = type(failure).__name__, str(failure)
    except Exception as failure:  # whatever it is, the test is to see it
        error, words = f"untyped {type(failure).__name__}", str(failure)
    say("ended", name=wanted["name"], error=error, words=words, right=fits,
        attempts=_mine.attempts, time=time.time())  # fmt: skip


def main() -> None:
    SlurmScheduler.submit = submit  # type: ignore[method-assign]
    JobDirectory.create = create  # type: ignore[method-assign]
    cfiddle_slurm.configure(scheduler="slurm", show_output=False, output_files=["large.*"])
    folder = Path.home() / f"notebook-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    exe = cfiddle.build(cfiddle.code(SOURCE))
    say("ready", pid=os.getpid())
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "go":
            _gates[command["name"]].set()
            continue
        _gates[command["name"]] = threading.Event()
        threading.Thread(target=run, args=(exe, command), daemon=True).start()


if __name__ == "__main__":
    main()
