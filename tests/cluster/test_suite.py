"""The behaviour suite, as a student on the user node."""

import io
import tarfile
from pathlib import Path

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster.people import user_node

from .conftest import HEAD

ROOT = Path(__file__).parents[2]
PARTS = ("tests/behaviour", "tests/upstream", "tests/patience.py")
"""The suite, and what it imports."""
SUITE_SECONDS = 900.0


def archive() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for part in PARTS:
            place = ROOT / part
            for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
                tar.add(path, path.relative_to(ROOT))
    return data.getvalue()


def test_the_behaviour_suite_on_the_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    unpack = user_node.exec_arguments(
        HEAD, "jovyan", ["sh", "-c", "rm -rf suite && mkdir suite && tar -C suite -x"]
    )
    process.check(unpack, timeout=60, input=archive())
    command = [
        "env", "PYTHONPATH=suite", "python3", "-m", "pytest", "suite/tests/behaviour",
        "--scheduler=slurm", "-ra", "-q",
        "--import-mode=importlib", "--basetemp=suite/tmp", "-p", "no:cacheprovider",
        "-p", "no:nbmake", "-p", "no:cpp", "-p", "no:xdist", "--durations=10",
    ]  # fmt: skip
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        with capsys.disabled():
            print(f"    {line}", flush=True)

    status = process.stream(
        user_node.exec_arguments(HEAD, "jovyan", command), tell, timeout=SUITE_SECONDS
    )
    assert status == 0, "\n".join(lines[-60:])
    assert not any("skipped" in line for line in lines[-3:]), lines[-3:]
    process.check(user_node.exec_arguments(HEAD, "jovyan", ["rm", "-rf", "suite"]), timeout=60)
