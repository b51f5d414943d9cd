"""The same file as the controller runs it; only where there is a Lua (see conftest.py)."""

import subprocess
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.schedulers import job_script
from tests.unit.cluster.conftest import LUA
from tests.unit.cluster.test_job_submit import FOLDERS, lua_text

NAME = "cfiddle-0123456789abcdef"
HARNESS = """
slurm = {SUCCESS = 0, ERROR = -1, jobs = {
    {user_id = 1000, job_state = 0}, {user_id = 1000, job_state = 1},
    {user_id = 1000, job_state = 3}, {user_id = 1001, job_state = 1},
}}
local said = ""
function slurm.log_user(form, text) said = string.format(form, text) end
dofile(arg[1])
local job = {name = arg[2], script = io.read("*a"), time_limit = 0xfffffffe}
for field, value in string.gmatch(arg[4] or "", "([%w_]+)=([^ ]+)") do
    job[field] = tonumber(value) or value
end
local partitions = {cfiddle = {default_time = 12}}
local answer = slurm_job_submit(job, partitions, tonumber(arg[3]))
local why = said
local change = slurm_job_modify(job, {}, {}, tonumber(arg[3]))
print(answer, change, job.nice and job.nice - 0x80000000, why, job.time_limit, job.max_nodes)
"""


def submitted(
    folder: Path, script: str, name: str = NAME, uid: int = 1000, asks: str = ""
) -> list[str]:
    """The answer to a job and to a change of it, then: the job's place, words, minutes, nodes.

    ``asks``: further fields of the job, as ``"time_limit=30 array_inx=0"``.
    """
    harness = folder / "harness.lua"
    harness.write_text(HARNESS)
    place = str(kit.folder("cluster") / "job_submit.lua")
    done = subprocess.run(
        [str(LUA), str(harness), place, name, str(uid), asks],
        input=script.encode(),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip().split("\t")


@pytest.mark.parametrize("folder", FOLDERS)
def test_our_jobs_pass(folder: str, tmp_path: Path) -> None:
    script = job_script.script_text(Path(folder))
    assert submitted(tmp_path, script)[0] == "0"


@pytest.mark.parametrize(
    ("tail", "name"),
    [
        ("/x; id\n", NAME),
        ("/x\nid\n", NAME),
        ("/x", NAME),
        ("$(id)\n", NAME),
        ("'/x' '/y'\n", NAME),
        ("'/x'; id '\n", NAME),
        ("\n", NAME),
        ("~\n", NAME),
        ("/x\n", "mine"),
        ("/x\n", f"{NAME}0"),
        ("/x\n", "cfiddle-0123456789abcdeg"),
        ("/x\n", ""),
    ],
)
def test_other_jobs_are_refused_with_a_reason(tail: str, name: str, tmp_path: Path) -> None:
    answer, _, _, said, *_ = submitted(tmp_path, f"{lua_text()}{tail}", name)
    assert answer == "-1"
    assert "cfiddle_slurm" in said
    # Root is the administrator, who may submit anything and change it.
    assert submitted(tmp_path, f"{lua_text()}{tail}", name, uid=0)[:2] == ["0", "0"]


def test_another_script_is_refused_and_nobody_changes_a_job(tmp_path: Path) -> None:
    ours = job_script.script_text(Path("/x"))
    assert submitted(tmp_path, "#!/bin/sh\nid\n")[0] == "-1"
    assert submitted(tmp_path, f"id\n{ours}")[0] == "-1"
    assert submitted(tmp_path, ours)[:2] == ["0", "-1"]


@pytest.mark.parametrize(("uid", "place"), [(1000, 20000), (1001, 10000), (1002, 0)])
def test_users_take_turns(uid: int, place: int, tmp_path: Path) -> None:
    script = job_script.script_text(Path("/x"))
    assert float(submitted(tmp_path, script, uid=uid)[2]) == place


@pytest.mark.parametrize(
    ("asks", "minutes"),
    [("", "12"), ("time_limit=5", "5"), ("time_limit=100000", "12"),
     ("time_limit=4294967295", "12"), ("max_nodes=12 min_nodes=4 num_tasks=400", "12")],
)  # fmt: skip
def test_a_job_is_small_whatever_it_asks_for(asks: str, minutes: str, tmp_path: Path) -> None:
    script = job_script.script_text(Path("/x"))
    answer, *_, found, nodes = submitted(tmp_path, script, asks=asks)
    assert (answer, found, nodes) == ("0", minutes, "1")


@pytest.mark.parametrize("asks", ["array_inx=7", "het_job_offset=0", "het_job_offset=1"])
def test_many_jobs_in_one_are_refused(asks: str, tmp_path: Path) -> None:
    script = job_script.script_text(Path("/x"))
    answer, _, _, said, *_ = submitted(tmp_path, script, asks=asks)
    assert answer == "-1"
    assert "one job" in said
    assert submitted(tmp_path, script, asks="het_job_offset=4294967294")[0] == "0"


FOLLOWING = """
local now, listed = 100.0, {}
slurm = {SUCCESS = 0, ERROR = -1, jobs = listed}
function slurm.log_user() end
local open = io.open
function io.open(name, ...)
    if name ~= "/proc/uptime" then return open(name, ...) end
    return {read = function() return string.format("%.2f 1.00", now) end, close = function() end}
end
dofile(arg[1])
local script, number = io.read("*a"), 0
local partitions = {cfiddle = {default_time = 12}}
for what, value in string.gmatch(arg[2], "(%a+)=?([%d.]*)") do
    if what == "wait" then
        now = now + tonumber(value)
    elseif what == "submit" then
        number = number + 1
        local job = {name = string.format("cfiddle-%016x", number), script = script}
        assert(slurm_job_submit(job, partitions, 1000) == 0)
        print(math.floor((job.nice - 0x80000000) / 10000))
    else -- the list is made anew: all are pending, running or over there
        for i = 1, number do
            listed[i] = {user_id = 1000, name = string.format("cfiddle-%016x", i),
                         job_state = ({pending = 0, running = 1, over = 3})[what]}
        end
    end
end
"""


@pytest.mark.parametrize(
    ("what", "turns"),
    [
        # One after the other, within a second, in which Slurm's list stays as it is.
        ("submit wait=0.3 submit wait=0.3 submit", "0 0 0"),
        (" ".join(["submit wait=0.26"] * 9), " ".join("0" * 9)),
        ("submit wait=0.9 over submit wait=0.3 submit wait=1 over submit", "0 0 0 0"),
        # At once.
        ("submit submit submit submit", "0 1 2 3"),
        (" ".join(["submit wait=0.02"] * 9), "0 1 2 3 4 5 6 7 8"),
        # Known from the list as soon as it is made: never counted twice.
        ("submit submit pending submit submit", "0 1 2 3"),
        ("submit submit wait=2 running submit", "0 1 2"),
        ("submit submit wait=2 over submit", "0 1 0"),
        # Refused by Slurm afterwards, so never in the list.
        ("submit submit wait=4 submit", "0 1 0"),
    ],
)
def test_what_is_queued_counts_and_nothing_else(what: str, turns: str, tmp_path: Path) -> None:
    harness = tmp_path / "following.lua"
    harness.write_text(FOLLOWING)
    place = str(kit.folder("cluster") / "job_submit.lua")
    done = subprocess.run(
        [str(LUA), str(harness), place, what],
        input=job_script.script_text(Path("/x")).encode(),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split() == turns.split()


@pytest.mark.parametrize("field", ["partition", "qos", "features", "prefer", "licenses"])
@pytest.mark.parametrize("text", ["x\nslurmctld:_all_is_well", "x\x1b]0;PWNED\x07", "x\r", "x\x7f"])
def test_what_would_be_obeyed_or_forge_a_line_of_the_log(
    tmp_path: Path, field: str, text: str
) -> None:
    script = job_script.script_text(Path("/x"))
    answer, _, _, why, *_ = submitted(tmp_path, script, asks=f"{field}={text}")
    assert (answer, "holds a control character" in why) == ("-1", True)
    assert submitted(tmp_path, script, asks=f"{field}=größer")[0] == "0"
    assert submitted(tmp_path, script, uid=0, asks=f"{field}={text}")[0] == "0"
