"""Whatever comes out of the sandbox does nothing when it is shown, in any way."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(600)
def test_no_exception_does_anything_when_it_is_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.processes.showing"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    *broken, last = done.stdout.splitlines() or [""]
    assert (done.returncode, broken) == (0, []), done.stderr[-2000:]
    assert "kinds of exceptions, shown" in last
    assert int(last.split()[0]) > 50
