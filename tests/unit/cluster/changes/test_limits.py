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
    docker.answers("image inspect *", "echo 'libc.so.6 libgomp.so.1'")
    bring_up.publish_limits(Work(Config(), 0, print))
    _, call = docker.calls
    assert "--volume=cfiddle_home:/home" in call
    assert "--network=none" in call
    assert docker.input_of(*call).decode() == rendering.limits_toml(
        Config().policy, ("libc.so.6", "libgomp.so.1")
    )


def test_an_image_that_does_not_say_what_it_has_is_no_trouble(docker: Program) -> None:
    docker.answers("run *")
    docker.answers("image inspect *", "exit 1")
    bring_up.publish_limits(Work(Config(), 0, print))
    _, call = docker.calls
    assert b"sandbox_libraries" not in docker.input_of(*call)


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
