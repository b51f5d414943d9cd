"""Whom the end of the user node would cut off: open notebooks, terminals, programs."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.people import account_book
from cfiddle_slurm.cluster.services import stack
from cfiddle_slurm.printable import one_line

_SECONDS = 60.0
_MOST_NAMES = 12
_SERVERS = frozenset(("jupyter-lab", "jupyter-labhub", "jupyterhub", "jupyterhub-singleuser"))
"""What is there as long as the user node is, whether or not somebody works."""
# Every kernel, of whatever language, is told where its connection file is (Jupyter's "Making
# kernels").
_CONNECTION_FILE = re.compile(r"kernel-[\w.-]+\.json$")
_WORDS = 40
# The text goes along: an older user node knows none of it. Python is in every one, ps is not.
_PROGRAM = f"""
import json, os, pwd
found = []
for pid in filter(str.isdecimal, os.listdir("/proc")):
    try:
        with open(f"/proc/{{pid}}/status", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        with open(f"/proc/{{pid}}/cmdline", "rb") as file:
            words = file.read(8192).decode(errors="replace").split("\\0")[:{_WORDS}]
    except OSError:
        continue  # it has ended
    uid = int(fields["Uid"].split()[0])
    if fields["State"].split()[0] in "ZX":
        continue
    try:
        account = pwd.getpwuid(uid).pw_name
    except KeyError:
        account = str(uid)
    found.append([int(pid), int(fields["PPid"]), uid, account, words])
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Process:
    """A process of the user node."""

    pid: int
    parent: int
    uid: int
    account: str
    words: tuple[str, ...]

    @property
    def is_server(self) -> bool:
        """Whether it is Jupyter itself."""
        return any(word.rpartition("/")[2] in _SERVERS for word in self.words[:3])

    @property
    def is_kernel(self) -> bool:
        """Whether it is what executes an open notebook's cells."""
        return any(_CONNECTION_FILE.search(word) for word in self.words)


@dataclass(frozen=True)
class OpenWork:
    """What is open, by account: kernels, and terminals and programs."""

    notebooks: Mapping[str, int] = field(default_factory=dict)
    programs: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.notebooks or self.programs)

    def __str__(self) -> str:
        parts = [
            _counted(self.notebooks, "notebook", "notebooks"),
            _counted(self.programs, "terminal or program", "terminals and programs"),
        ]
        return " and ".join(filter(None, parts))


def _counted(accounts: Mapping[str, int], one: str, many: str) -> str:
    if not accounts:
        return ""
    count = sum(accounts.values())
    most_first = sorted(accounts.items(), key=lambda each: (-each[1], each[0]))
    names = [f"{one_line(name)} {number}" for name, number in most_first[:_MOST_NAMES]]
    left = len(accounts) - len(names)
    names += [f"{left} other accounts"] if left > 1 else ["1 other account"] if left else []
    return f"{count} {one if count == 1 else many} ({', '.join(names)})"


def look(head: Machine) -> OpenWork:
    """What is open on the user node now.

    Raises:
        NotHealthy: there is no user node.
        MachineError: it does not answer.
    """
    container = stack.container_on(head, "user")
    arguments = ("exec", "--user=0", container, "python3", "-I", "-c", _PROGRAM)
    return summary(parse(head.docker(*arguments, timeout=_SECONDS)))


def parse(text: str) -> list[Process]:
    """Processes from what the program on the user node prints.

    Raises:
        MachineError: it printed something else.
    """
    try:
        rows = json.loads(text)
        return [
            Process(int(pid), int(parent), int(uid), str(account), tuple(map(str, words)))
            for pid, parent, uid, account, words in rows
        ]
    except (ValueError, TypeError) as error:
        raise MachineError(f"What runs on the user node cannot be read: {error}.") from error


def summary(processes: Iterable[Process]) -> OpenWork:
    """What of the processes is somebody's: each kernel, and of all else what it began with."""
    known = {process.pid: process for process in processes}
    notebooks: Counter[str] = Counter()
    programs: Counter[str] = Counter()
    for process in known.values():
        if not _is_somebodys(process):
            continue
        if process.is_kernel:
            notebooks[process.account] += 1
        elif not _is_part_of_another(process, known):
            programs[process.account] += 1
    return OpenWork(notebooks, programs)


def _is_somebodys(process: Process) -> bool:
    return account_book.is_a_persons(process.uid) and not process.is_server


def _is_part_of_another(process: Process, known: dict[int, Process]) -> bool:
    seen = {process.pid}
    parent = known.get(process.parent)
    while parent is not None and parent.pid not in seen:
        if _is_somebodys(parent):
            return True
        seen.add(parent.pid)
        parent = known.get(parent.parent)
    return False
