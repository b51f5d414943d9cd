"""Accounts on the user node: nothing of one is another's, neither now nor a term later."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster.people import user_node
from cfiddle_slurm.cluster.services import stack
from tests.attacks.corpus import Attack, carry_out
from tests.attacks.once import cluster as command
from tests.patience import wait_for

from .conftest import HEAD, PORT, docker, in_service, start_python

# A notebook of jovyan's, as JupyterLab starts it: by the server, which gives it a kernel.
NOTEBOOK = f"""
import json, os, sys, threading, time, urllib.request
from jupyter_client import BlockingKernelClient
token = open("/run/jupyter/token").read().strip()
def ask(method, path, body=None):
    request = urllib.request.Request("http://127.0.0.1:{PORT}/api/" + path, body, method=method,
                                     headers={{"Authorization": "token " + token}})
    return urllib.request.urlopen(request, timeout=60).read()
kernel = json.loads(ask("POST", "kernels", b"{{}}"))["id"]
place = os.path.join(os.environ["JUPYTER_RUNTIME_DIR"], "kernel-" + kernel + ".json")
while not os.path.exists(place):
    time.sleep(0.1)
client = BlockingKernelClient(connection_file=place)
client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=60)
"""
SECRET = (
    NOTEBOOK
    + """
print("ready", flush=True)
give_up = time.monotonic() + 120
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
while not ended.wait(0.2) and time.monotonic() < give_up:
    client.execute_interactive("print('a secret')", output_hook=lambda message: None, timeout=60)
ask("DELETE", "kernels/" + kernel)
"""
)


@pytest.fixture
def victim() -> Iterator[None]:
    """jovyan's notebook, which prints secrets, and a terminal of the server."""
    running = process.start(
        user_node.exec_arguments(HEAD, "jovyan", ["python3", "-W", "ignore", "-c", SECRET]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert running.stdout and running.stdin
    said = running.stdout.readline()
    assert said == b"ready\n", said + running.stdout.read()
    yield
    running.stdin.close()
    assert running.wait(60) == 0, running.stdout.read()


@pytest.mark.usefixtures("victim")
def test_nothing_of_anothers_notebook_is_reached() -> None:
    attack = Attack.load("network_other_accounts")
    verdict = carry_out(attack, command, "test_user1")
    assert attack.faults(verdict) == [], verdict.printed
    # It did look while there was something.
    assert "kernel-" in in_service("user", "cat", "/proc/net/unix")


def test_a_kernel_listens_at_no_port_and_has_no_debugger(
    python_as: Callable[[str, str], Any],
) -> None:
    before, during, info = python_as(
        "jovyan",
        """
def ports():
    lines = [line.split() for name in ("tcp", "tcp6") for line in open("/proc/net/" + name)]
    return sorted(row[1] for row in lines if row[3] == "0A")
before = ports()
"""
        + NOTEBOOK
        + """
client.execute_interactive("import os\\nif os.fork() == 0: print('x', flush=True); os._exit(0)",
                           output_hook=lambda message: None, timeout=60)
client.kernel_info()
info = client.get_shell_msg(timeout=60)["content"]
during = ports()
ask("DELETE", "kernels/" + kernel)
print(json.dumps([before, during, info.get("debugger", False)]))
""",
    )
    assert during == before
    assert info is False
    specs = in_service("user", "sh", "-c", "cat /usr/local/share/jupyter/kernels/*/kernel.json")
    assert '"debugger": false' in specs and '"debugger": true' not in specs
    with pytest.raises(process.CommandFailed, match="No module named 'debugpy'"):
        in_service("user", "python3", "-c", "import debugpy")


def test_perf_counters_are_known_on_the_user_node(python_as: Callable[[str, str], Any]) -> None:
    ask = "import cfiddle; print(str(cfiddle.are_perf_counters_available() in (0, 1)).lower())"
    assert python_as("test_user1", ask) is True


FORGETFUL = """
import json, cfiddle
exe = cfiddle.build(cfiddle.code('extern "C" int f(int n) { return n; }'))
found = cfiddle.run(exe, "f", cfiddle.arg_map(n=5))[0].return_value
import cfiddle_slurm
report = cfiddle_slurm.last_report()
print(json.dumps([found, report and report.scheduler]))
"""


def test_without_configure_a_run_is_the_clusters(python_as: Callable[[str, str], Any]) -> None:
    assert python_as("test_user1", FORGETFUL) == [5, "slurm"]


def test_what_a_student_configures_is_in_force(python_as: Callable[[str, str], Any]) -> None:
    own = 'import cfiddle_slurm; cfiddle_slurm.configure(scheduler="local")\n'
    assert python_as("test_user1", own + FORGETFUL) == [5, "local"]
    variable = 'import os; os.environ["CFIDDLE_SLURM_SCHEDULER"] = "local"\n'
    assert python_as("test_user1", variable + FORGETFUL) == [5, "local"]
    plain = """
import cfiddle
from cfiddle.Runner import SubprocessDelegate
cfiddle.set_config("RunnerDelegate_type", SubprocessDelegate)
"""
    assert python_as("test_user1", plain + FORGETFUL) == [5, None]


def test_without_configure_a_notebook_runs_on_the_cluster(
    python_as: Callable[[str, str], Any],
) -> None:
    found = python_as(
        "jovyan",
        NOTEBOOK
        + f"""
said = []
client.execute_interactive({FORGETFUL!r}, timeout=120,
                           output_hook=lambda m: said.append(m["content"].get("text", "")))
ask("DELETE", "kernels/" + kernel)
print("".join(said).strip().splitlines()[-1])
""",
    )
    assert found == [5, "slurm"]


def test_a_python_without_the_packages_is_as_ever() -> None:
    arguments = user_node.exec_arguments(
        HEAD, "test_user1",
        ["sh", "-c", "python3 -m venv --without-pip /tmp/bare-$$ && /tmp/bare-$$/bin/python3 -c "
         "'import sys; print(\"cfiddle\" in sys.modules)'; rm -rf /tmp/bare-$$"],
    )  # fmt: skip
    assert process.check(arguments, timeout=60).split() == ["False"]


THREADS = """
import json, threading, time
wait = threading.Event()
count = 0
try:
    for count in range(17000):
        threading.Thread(target=wait.wait, daemon=True).start()
except RuntimeError:
    pass
print(json.dumps(count), flush=True)
time.sleep({seconds})
"""


def test_one_accounts_threads_leave_room_for_others(python_as: Callable[[str, str], Any]) -> None:
    hog = start_python("test_user1", THREADS.format(seconds=8))
    assert hog.stdout
    assert 100 < json.loads(hog.stdout.readline()) < 4096
    fork = """
import json, os, subprocess
print(json.dumps(sum(subprocess.run(["true"]).returncode for _ in range(100))))
"""
    assert python_as("test_user2", fork) == 0
    end(hog)


def end(program: "subprocess.Popen[bytes]") -> None:
    """End a program, and wait until its account has none."""
    program.kill()
    program.wait()
    wait_for(lambda: not processes(1001), "the threads have ended", 30)


def processes(uid: int) -> list[str]:
    """What runs under a uid on the user node."""
    listing = docker("top", stack.container_on(HEAD, "user"), "-eo", "uid,pid,args")
    return [line for line in listing.splitlines()[1:] if line.split()[0] == str(uid)]


def test_the_user_node_has_a_limit_of_memory() -> None:
    limit = docker("inspect", "--format={{.HostConfig.Memory}}", stack.container_on(HEAD, "user"))
    assert 0 < int(limit) < int(docker("info", "--format={{.MemTotal}}"))


def test_nobody_runs_as_one_of_the_systems_users() -> None:
    for name in ("root", "nobody", "1000", "../jovyan"):
        done = command("run", name, "id", timeout=60, input=b"")
        assert done.status == 1
        words = "no account's name" if "/" in name else "There is no account"
        assert words in done.stderr and "uid=" not in done.stdout


def test_root_enters_as_students_only() -> None:
    enter = "/usr/local/lib/cfiddle-slurm/enter"
    for name in ("root", "nobody", "0", "--", ""):
        with pytest.raises(process.CommandFailed, match="enter: "):
            in_service("user", enter, name, "id")
    said = in_service("user", enter, "test_user1", "sh", "-c", "id -un; cat /proc/self/status")
    assert said.startswith("test_user1\n")
    assert "CapBnd:\t0000000000000000" in said and "NoNewPrivs:\t1" in said


def test_the_systems_users_are_no_students() -> None:
    for name in ("root", "slurm", "munge", "mysql", "systemd-network"):
        done = command("user", "add", name, timeout=60, input=b"")
        assert done.status == 1 and done.stderr.count("\n") == 1, done.stderr


LEAVE = """
import ctypes, json, os, signal, subprocess, sys, time
for name in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock"):
    open(name + "/left-by-a-student", "w").close()
ctypes.CDLL(None).shmget(0x5eed, 1 << 16, 0o1666)
if os.fork() == 0:
    os.setsid()
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    while True:  # always another one
        if os.fork():
            os._exit(0)
        time.sleep(0.01)
print(json.dumps(os.getuid()))
"""
FOUND = """
import glob, json, os, subprocess
print(json.dumps([os.getuid(), os.listdir("."),
                  [name for place in ("/tmp", "/dev/shm", "/var/tmp", "/run/lock")
                   for name in glob.glob(place + "/left*")],
                  subprocess.run(["lsipc", "-m", "--noheadings"], capture_output=True,
                                 text=True).stdout.count("0x00005eed")]))
"""
SPINNING = r"""
import cfiddle
source = 'extern "C" int f(int n)\n{ for (volatile int i = 0; n; i++); return n; }'
exe = cfiddle.build(cfiddle.code(source))
cfiddle.run(exe, "f", cfiddle.arg_map(n=1))
"""


@pytest.fixture
def term() -> Iterator[tuple[str, str]]:
    """Two names that nobody had; their accounts and homes are gone afterwards."""
    stamp = f"{time.time_ns() % 10**9:x}"
    names = f"ana{stamp}", f"ben{stamp}"
    yield names
    for name in names:
        command("user", "remove", name, "--purge", timeout=300, input=b"")


def test_an_account_that_was_removed_leaves_nothing_to_the_next(
    term: tuple[str, str], python_as: Callable[[str, str], Any]
) -> None:
    ana, ben = term
    assert command("user", "add", ana, timeout=120, input=b"").status == 0
    uid = python_as(ana, LEAVE)
    python_as(ana, "open('mine', 'w').close(); print(0)")
    job = start_python(ana, SPINNING)
    queue = ("squeue", "--noheader", "--states=R", "--format=%u")
    wait_for(lambda: ana in in_service("controller", *queue), "the experiment runs", 60)
    assert processes(uid)
    done = command("user", "remove", ana, timeout=300, input=b"")
    assert done.status == 0, done.stderr
    assert job.wait(60) != 0
    assert processes(uid) == []
    assert in_service("controller", "squeue", "--noheader") == ""
    assert command("run", ana, "id", timeout=60, input=b"").status == 1
    refused = command("user", "add", ben, f"--uid={uid}", timeout=60, input=b"")
    assert refused.status == 1 and f"is or was {ana}'s" in refused.stderr
    assert command("user", "add", ben, timeout=120, input=b"").status == 0
    bens, _, left, segments = python_as(ben, FOUND)
    assert (bens != uid, left, segments) == (True, [], 0)
    assert command("user", "add", ana, timeout=120, input=b"").status == 0
    again, home, _, _ = python_as(ana, FOUND)
    assert again == uid and "mine" in home


def test_accounts_added_at_once_have_uids_of_their_own(term: tuple[str, str]) -> None:
    add = [sys.executable, "-m", "cfiddle_slurm.cluster", "user", "add"]
    started = {name: process.start([*add, name], stderr=subprocess.PIPE) for name in term}
    for name, program in started.items():
        _, err = program.communicate(timeout=120)
        if program.returncode != 0:  # the other was not done yet
            assert b"Another command is changing the cluster" in err
            assert command("user", "add", name, timeout=120, input=b"").status == 0
    rows = [
        line.split(":") for line in in_service("user", "cat", "/home/.accounts/passwd").splitlines()
    ]
    uids = [row[2] for row in rows]
    assert len(uids) == len(set(uids)) and set(term) <= {row[0] for row in rows}
