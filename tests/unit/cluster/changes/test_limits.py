"""What the policy allows, written to where notebooks look."""

import shutil
import subprocess
from pathlib import Path

from cfiddle_slurm.cluster.changes import bring_up
from cfiddle_slurm.cluster.changes.upgrade import Work
from cfiddle_slurm.cluster.services import rendering
from cfiddle_slurm.cluster.site.config import Config
from tests.unit.cluster.conftest import Program


def test_they_get_to_the_shared_home(docker: Program) -> None:
    docker.answers("run *")
    bring_up.publish_limits(Work(Config(), 0, print))
    (call,) = docker.calls
    assert "--volume=cfiddle_home:/home" in call
    assert "--network=none" in call
    assert docker.input_of(*call).decode() == rendering.limits_toml(Config().policy)


def test_the_program_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    program = bring_up._WRITE_LIMITS.replace("/home/", f"{tmp_path}/").replace(
        "-o root -g root", ""
    )
    for text in ("a = 1\n" * 100, "a = 2\n"):
        subprocess.run([shutil.which("sh") or "sh", "-c", program], input=text.encode(), check=True)
        folder = tmp_path / ".accounts"
        assert [file.name for file in folder.iterdir()] == ["limits.toml"]
        assert (folder / "limits.toml").read_text() == text
        assert (folder / "limits.toml").stat().st_mode & 0o777 == 0o644
