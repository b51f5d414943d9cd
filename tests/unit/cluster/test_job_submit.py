"""What the controller lets users submit: the script of this package, and no other."""

from pathlib import Path

import pytest

from cfiddle_slurm.cluster import kit
from cfiddle_slurm.schedulers import job_script

FOLDERS = ["/home/ann/.cfiddle-slurm/jobs/0", "/home/a b/x", "/it's/here", "/a\nb", "/$(id)/`x`",
           "/", "/'", "/''a''", '/"', "/é"]  # fmt: skip


def lua_text() -> str:
    """The text between Lua's long brackets, whose first line break is none of it."""
    text = (kit.folder("cluster") / "job_submit.lua").read_text(encoding="utf-8")
    return text.partition("local SCRIPT = [[\n")[2].partition("]]")[0]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_controller_knows_the_script_word_for_word(folder: str) -> None:
    script = job_script.script_text(Path(folder))
    assert len(lua_text()) > 100
    assert script.startswith(lua_text())
    assert lua_text().endswith("exec cfiddle-sandbox run ")
    assert script.endswith("\n")
