"""What the controller lets users submit: the script of this package, and no other."""

from pathlib import Path

import pytest

from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.schedulers import job_script

FOLDERS = ["/home/ann/.cfiddle-slurm/jobs/0", "/home/a b/x", "/it's/here", "/a\nb", "/$(id)/`x`",
           "/", "/'", "/''a''", '/"', "/é"]  # fmt: skip


OF_EARLIER_VERSIONS = [
    """\
#!/bin/sh
# One run of a CFiddle experiment, submitted by cfiddle_slurm. This text is always the same, but for
# the job directory's path.
PATH=/usr/local/bin:/usr/bin:/bin
export PATH
exec cfiddle-sandbox run """,
]
"""Notebooks that were opened before an update go on submitting them. Only what is older than the
last version may be removed here."""


def lua_texts() -> list[str]:
    """The texts between Lua's long brackets, whose first line break is none of it."""
    text = (kit.folder("cluster") / "job_submit.lua").read_text(encoding="utf-8")
    inside = text.partition("local SCRIPTS = {")[2].partition("\n}\n")[0]
    return [part.partition("]]")[0] for part in inside.split("[[\n")[1:]]


def lua_text() -> str:
    """The newest of them."""
    return lua_texts()[0]


def test_scripts_of_earlier_versions_are_still_accepted() -> None:
    assert set(OF_EARLIER_VERSIONS) <= set(lua_texts())


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_controller_knows_the_script_word_for_word(folder: str) -> None:
    script = job_script.script_text(Path(folder))
    assert len(lua_text()) > 100
    assert script.startswith(lua_text())
    assert lua_text().endswith("exec cfiddle-sandbox run ")
    assert script.endswith("\n")
