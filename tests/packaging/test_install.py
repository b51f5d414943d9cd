"""``pip install .`` into an empty environment is enough, for each Python that this machine has."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from cfiddle_slurm import process

REPOSITORY = Path(__file__).parents[2]
SECONDS = 280.0
MINORS = range(10, 14)


def pythons() -> list[Path]:
    """The interpreters to be tested: this one, those on the PATH, and pyenv's."""
    found = {sys.version_info.minor: Path(sys.executable)}
    for minor in MINORS:
        on_path = shutil.which(f"python3.{minor}")
        pyenv = Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/python")
        for place in [*([Path(on_path)] if on_path else []), *sorted(pyenv)]:
            # pyenv's stand-ins on the PATH exist for versions that it will not start.
            if minor not in found and process.run([str(place), "-V"], timeout=60).status == 0:
                found[minor] = place
    return [found[minor] for minor in sorted(found)]


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_an_installation_runs_the_first_experiment(python: Path, tmp_path: Path) -> None:
    source, environment = tmp_path / "source", tmp_path / "environment"
    # A copy of what git knows, since a build leaves folders in its source.
    files = process.check(["git", "-C", str(REPOSITORY), "ls-files", "-z"], timeout=60).split("\0")
    for name in filter(None, files):
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, source / name)
    process.check([str(python), "-m", "venv", str(environment)], timeout=SECONDS)
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", str(source)]
    process.check(pip, timeout=SECONDS)
    place = tmp_path / "elsewhere"
    place.mkdir()
    done = process.run(
        [str(environment / "bin" / "python"), str(REPOSITORY / "examples/first_experiment.py")],
        timeout=SECONDS,
        cwd=place,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"},
    )
    assert done.status == 0, done.stderr
    assert "neither isolated nor exclusive" in done.stderr
    table = [line.split() for line in done.stdout.splitlines() if " touch " in line]
    assert [row[3] for row in table] == ["1000", "2000", "4000", "8000"]
    check_that_the_cluster_asks_for_its_extra(environment / "bin", place)
    find_kit = "from cfiddle_slurm.cluster.site import kit; print(kit.folder('cluster'))"
    interpreter = str(environment / "bin" / "python")
    kit = process.check([interpreter, "-c", find_kit], timeout=60, cwd=place).strip()
    assert kit.startswith(str(environment))
    assert (Path(kit) / "stack.yml").is_file()


def check_that_the_cluster_asks_for_its_extra(programs: Path, place: Path) -> None:
    for command in (["cfiddle-cluster"], ["python", "-m", "cfiddle_slurm.cluster"]):
        done = process.run([str(programs / command[0]), *command[1:], "--help"],
                           timeout=60, cwd=place)  # fmt: skip
        assert (done.status, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert "pip install 'cfiddle_slurm[cluster]'" in done.stderr
