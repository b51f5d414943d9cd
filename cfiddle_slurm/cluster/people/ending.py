"""End what runs under a uid in a container, and remove what it left there; run by root."""

import os
import shutil
import signal
import sys
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.waiting import until
from cfiddle_slurm.cluster.people.account_book import is_a_persons

PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock")  # noqa: S108
_SECONDS = 20.0
_GONE = ("Z", "X")
"""States of what does not run any more (proc_pid_stat(5)); somebody will collect it."""


def running(uid: int, proc: Path = Path("/proc")) -> list[int]:
    """The processes that are anyhow a uid's: by their real, effective, saved or file system uid."""
    found = []
    for folder in proc.glob("[0-9]*"):
        try:
            lines = (folder / "status").read_text(errors="replace").splitlines()
        except OSError:
            continue  # it has ended
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        if str(uid) in fields.get("Uid", "").split() and not fields.get("State", "").startswith(
            _GONE
        ):
            found.append(int(folder.name))
    return found


def kill_all(uid: int) -> None:
    """Kill all of a uid's processes in one step, so that none can fork its way out of it."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresuid(uid, uid, uid)
            # All that this uid may signal, and not the caller (kill(2)).
            os.kill(-1, signal.SIGKILL)
        except OSError:
            os._exit(1)  # there was none
        os._exit(0)
    os.waitpid(child, 0)


def remove_left(uid: int) -> None:
    """Remove files outside the home, and memory, queues and semaphores."""
    places = [place for place in PLACES if Path(place).is_dir()]
    find = ["find", *places, "-xdev", "-mindepth", "1", "-uid", str(uid), "-delete"]
    process.run(find, timeout=_SECONDS)
    # Only the owner may remove these (a root without CAP_SYS_ADMIN may not, svipc(7)).
    process.run(
        ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all",
         "--", "ipcrm", "--all"],
        timeout=_SECONDS,
    )  # fmt: skip
    shutil.rmtree(f"/run/user/{uid}", ignore_errors=True)


def main(words: list[str]) -> int:
    """End all of the uid that is named; 1 if something of it still runs."""
    uid = int(words[0])
    if not is_a_persons(uid):
        raise ValueError("this uid is no student's")
    left: list[int] = []
    for _ in until(_SECONDS, pause=0.05):
        kill_all(uid)
        left = running(uid)
        if not left:
            remove_left(uid)
            return 0
    print(f"these do not end: {' '.join(map(str, left))}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
