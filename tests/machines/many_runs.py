"""Executed on the user node: many runs at once, each in a thread of its own.

``python3 many_runs.py COUNT SECONDS [START]`` prints, as JSON, for each run its error or None, when
it ended, and on which node. Times are seconds since 1970; with START the runs wait for it.
"""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import cfiddle

import cfiddle_slurm

SOURCE = """
#include <unistd.h>
extern "C" int nap(int n, int seconds)
{ sleep(seconds); return n * n; }
"""


def main() -> None:
    count, seconds = int(sys.argv[1]), int(sys.argv[2])
    start = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    cfiddle_slurm.configure(scheduler="slurm", show_output=False)
    found: list[dict[str, Any]] = []

    def run(number: int) -> None:
        error = None
        try:
            result = cfiddle.run(nap, "nap", cfiddle.arg_map(n=number, seconds=seconds))[0]
            if result.return_value != number * number:
                error = f"it gave {result.return_value}"
        except cfiddle.CFiddleException as failure:
            error = f"{type(failure).__name__}: {failure}"
        report = cfiddle_slurm.last_report()
        node = report.node if report is not None else None
        found.append({"number": number, "error": error, "ended": time.time(), "node": node})

    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        os.chdir(folder)
        nap = cfiddle.build(cfiddle.code(SOURCE))
        threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        time.sleep(max(0.0, start - time.time()))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.chdir("/")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
