"""What ordinary students do to the queue: more runs than there is room for, and notebooks that go.

The programs run on the user node, as students.
"""

import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from cfiddle_slurm.process import Completed
from tests.machines.harness import Machines
from tests.machines.test_many_machines import in_background
from tests.patience import wait_for

pytestmark = pytest.mark.timeout(600)
USER, OTHER = "waiting1", "waiting2"
RUN_ID = "0123456789abcdef"
FOLDER = f"/home/{USER}/.cfiddle-slurm/jobs/{RUN_ID}"
_HEAD = r"""
import json, os, pathlib, signal, sys, threading, time
import cfiddle, cfiddle_slurm
os.makedirs("work", exist_ok=True)
os.chdir("work")
source = '''
#include <unistd.h>
extern "C" int nap(int n, int seconds)
{ sleep(seconds); return n * n; }
'''
nap = cfiddle.build(cfiddle.code(source))

def run(n, seconds=0):
    try:
        result = cfiddle.run(nap, "nap", cfiddle.arg_map(n=n, seconds=seconds))
        return None if [one.return_value for one in result] == [n * n] else f"wrong: {result}"
    except cfiddle.CFiddleException as error:
        return f"{type(error).__name__}: {error}"

def many(count):
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(run(n))) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
"""


@pytest.fixture(scope="module", autouse=True)
def students(cluster: Machines) -> Iterator[None]:
    for user in (USER, OTHER):
        cluster.check("user", "add", user)
    yield
    for user in (USER, OTHER):
        cluster.check("user", "remove", user, "--purge")


@pytest.fixture(autouse=True)
def nothing_queued(cluster: Machines) -> Iterator[None]:
    yield
    wait_for(lambda: not in_controller(cluster, "squeue", "--noheader"), "no job is left")


def in_controller(cluster: Machines, *words: str) -> str:
    return cluster.on_service("head", "controller", *words)


def on_user_node(cluster: Machines, program: str, user: str = USER) -> Completed:
    """A Python program that has the functions of ``_HEAD``."""
    whole = _HEAD + textwrap.dedent(program)
    return cluster.cluster("run", user, "python3", "-W", "ignore", "-c", whole)


def said(done: Completed) -> Any:
    """The JSON in the last line that a program printed."""
    assert done.status == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def shell(cluster: Machines, script: str, user: str = USER) -> str:
    return cluster.check("run", user, "sh", "-c", script).strip()


def submissions(cluster: Machines) -> int:
    """How often the controller has been asked to take a job, since it was started."""
    counts = re.findall(
        r"(?:REQUEST_SUBMIT_BATCH_JOB|REQUEST_RESOURCE_ALLOCATION)\s.*count:(\d+)",
        in_controller(cluster, "sdiag"),
    )
    return sum(map(int, counts))


def waits(done: Completed) -> int:
    return done.stderr.count("Slurm takes no more jobs now: you have as many jobs in the queue as")


def test_sixty_runs_where_fifty_jobs_are_allowed(
    cluster: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    # They stay in the queue until all have asked.
    before = submissions(cluster)
    done = on_user_node(cluster, """
        cfiddle_slurm.configure(sbatch_options=["--begin=now+10"])
        print(json.dumps(many(60)))
    """)  # fmt: skip
    asked = submissions(cluster) - before
    assert said(done) == [None] * 60
    assert waits(done) == 10
    with capsys.disabled():
        print(f"\n60 runs, 50 allowed: {waits(done)} waited, {asked} submissions were tried")
    assert asked < 180


@pytest.mark.parametrize("submit", ["sbatch", "srun"])
def test_room_for_three(cluster: Machines, submit: str) -> None:
    limit = ("sacctmgr", "--immediate", "modify", "user", f"name={OTHER}", "set")
    in_controller(cluster, *limit, "maxsubmitjobs=3")
    try:
        done = on_user_node(cluster, f"""
            cfiddle_slurm.configure(submit="{submit}")
            print(json.dumps(many(8)))
        """, OTHER)  # fmt: skip
        assert said(done) == [None] * 8
        assert waits(done) >= 1
        in_controller(cluster, *limit, "maxsubmitjobs=0")
        none = on_user_node(cluster, f"""
            cfiddle_slurm.configure(submit="{submit}", show_output=False)
            print(json.dumps(run(1)))
        """, OTHER)  # fmt: skip
        assert "SubmissionError: Slurm takes no job of yours, though you have none" in said(none)
    finally:
        in_controller(cluster, *limit, "maxsubmitjobs=50")


def test_who_waits_for_room_can_stop_and_waits_no_longer_than_allowed(cluster: Machines) -> None:
    limit = ("sacctmgr", "--immediate", "modify", "user", f"name={OTHER}", "set")
    in_controller(cluster, *limit, "maxsubmitjobs=1")
    try:
        done = on_user_node(cluster, """
            cfiddle_slurm.configure()
            other = threading.Thread(target=run, args=(1, 20))
            other.start()
            time.sleep(2)
            with cfiddle_slurm.configured(queue_timeout=3):
                late = run(2)
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.alarm(3)
            began = time.monotonic()
            try:
                stopped = run(3)
            except KeyboardInterrupt:
                stopped = time.monotonic() - began
            other.join()
            print(json.dumps([late, stopped]))
        """, OTHER)  # fmt: skip
    finally:
        in_controller(cluster, *limit, "maxsubmitjobs=50")
    late, stopped = said(done)
    assert late.startswith("QueueTimeout: Slurm had no room for the job for 3 seconds: you have")
    assert "AssocMaxSubmitJobLimit" in late
    assert 2 < stopped < 8


def test_a_job_of_the_same_name_is_anothers(cluster: Machines) -> None:
    script = "/tmp/same-name.sh"
    submit = f"""
        from cfiddle_slurm.schedulers.job_script import script_text
        pathlib.Path("{script}").write_text(script_text(pathlib.Path("{FOLDER}")))
        os.system("sbatch --parsable --begin=now+600 --job-name=cfiddle-{RUN_ID} {script}")
        os.remove("{script}")
    """
    look = f"""
        from cfiddle_slurm.schedulers.by_name import cancel_jobs_of, jobs_of
        print(json.dumps(jobs_of("{RUN_ID}", pathlib.Path("{{folder}}"))))
    """
    forged = on_user_node(cluster, submit, OTHER).stdout.split()[-1]
    work = f"/home/{OTHER}/work"
    assert said(on_user_node(cluster, look.format(folder=work), OTHER)) == [forged]
    for folder in (FOLDER, work):
        assert said(on_user_node(cluster, look.format(folder=folder))) == []
    assert said(on_user_node(cluster, look.format(folder=FOLDER), OTHER)) == []
    cancel = f"from cfiddle_slurm.schedulers.by_name import *; cancel_jobs_of('{RUN_ID}')"
    on_user_node(cluster, cancel)
    assert in_controller(cluster, "squeue", "--noheader", "--format=%i").split() == [forged]
    on_user_node(cluster, cancel, OTHER)


def test_what_the_policy_does_not_allow_is_not_even_submitted(cluster: Machines) -> None:
    limits = shell(cluster, "cat /etc/cfiddle-slurm/limits.toml")
    policy = cluster.on_service("w1", "sandboxd", "cat", "/etc/cfiddle-slurm/sandbox.toml")
    (most,) = re.findall(r"max_time_limit = (\S+)", limits)
    assert f"wall_seconds = {most}\n" in policy
    done = on_user_node(cluster, """
        found = []
        for option in ({"time_limit": "2:00:00"}, {"memory": "1TiB"}, {"image": "another:1"}):
            try:
                cfiddle_slurm.configure(**option)
            except cfiddle_slurm.SettingsError as error:
                found.append(str(error))
        print(json.dumps(found))
    """)  # fmt: skip
    found = said(done)
    allowed = f"{float(most):g} seconds"
    assert f"time_limit asks for 7200 seconds, but this site allows at most {allowed}" in found[0]
    assert "memory asks for 1024 GiB, but this site allows at most 2 GiB" in found[1]
    assert "does not allow the image 'another:1'" in found[2]
    for user in (USER, OTHER):  # and nobody but the administrator can say something else
        assert shell(cluster, "echo x >>/etc/cfiddle-slurm/limits.toml || echo no", user) == "no"


@pytest.mark.parametrize("number", ["STOP", "KILL"])
def test_a_run_whose_notebook_is_silent_takes_no_turn(cluster: Machines, number: str) -> None:
    """As if the notebook had been silent for ten minutes; it waits for its job in the queue."""
    notebook = in_background(on_user_node, cluster, """
        pathlib.Path("pid").write_text(str(os.getpid()))
        cfiddle_slurm.configure(sbatch_options=["--begin=now+20"])
        print(json.dumps(run(7)))
    """)  # fmt: skip
    jobs = f"/home/{USER}/.cfiddle-slurm/jobs"
    wait_for(lambda: in_controller(cluster, "squeue", "--noheader", "--format=%T").split()
             == ["PENDING"], "the job waits")  # fmt: skip
    folder = shell(
        cluster, f"cd {jobs}; for f in *; do [ -e $f/failed.txt ] || echo {jobs}/$f; done"
    )
    assert "beats" in shell(cluster, f"cat {folder}/owner")
    shell(cluster, f"kill -{number} $(cat work/pid); touch -d '10 minutes ago' {folder}/owner")
    wait_for(lambda: shell(cluster, f"ls {folder}/report.json 2>/dev/null || true"), "its report")
    report = json.loads(shell(cluster, f"cat {folder}/report.json"))
    assert report["outcome"]["kind"] == "withdrawn"
    assert report["container"] is None
    assert shell(cluster, f"ls {folder}/output.log 2>/dev/null || echo none") == "none"
    if number == "KILL":
        assert notebook.result().status != 0
        # The next run of this student finds what is left, and removes it.
        on_user_node(cluster, "cfiddle_slurm.configure(); run(1)")
        assert shell(cluster, f"ls -d {shlex.quote(folder)} || echo none") == "none"
        return
    shell(cluster, "kill -CONT $(cat work/pid)")
    done = notebook.result()
    assert said(done) is None
    assert "nothing had been heard of its notebook" in done.stderr
    assert "Trying once more" in done.stderr


def test_what_a_killed_notebook_left_in_the_queue_is_cancelled(cluster: Machines) -> None:
    notebook = in_background(on_user_node, cluster, """
        pathlib.Path("pid").write_text(str(os.getpid()))
        cfiddle_slurm.configure(sbatch_options=["--begin=now+3600"])
        many(3)
    """)  # fmt: skip
    queued = ("squeue", "--noheader", "--format=%i")
    wait_for(lambda: len(in_controller(cluster, *queued).split()) == 3, "three jobs wait")
    shell(cluster, "kill -KILL $(cat work/pid)")
    assert notebook.result().status != 0
    # The next run of this student does it.
    assert (
        said(on_user_node(cluster, "cfiddle_slurm.configure(); print(json.dumps(run(1)))")) is None
    )
    assert in_controller(cluster, *queued) == ""
