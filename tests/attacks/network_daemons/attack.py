"""Each flood for some seconds; afterwards the daemons answer, and the controller is the same."""

import re
import socket
import threading
import time
from pathlib import Path

from tests.attacks.student import Student

FLOODS = Path(__file__).parents[1] / "floods.py"
WAYS = ("length_words", "idle", "slow", "frames", "forwarded")
PATIENCE = 15.0
"""Of the attacker's own commands, which wait behind the flood."""


def attack(student: Student, seconds: float) -> list[str]:
    """What was reached that must not be, and which flood was felt."""
    found = [f"{place} can be reached" for place in closed() if reached(*place)]
    targets = [f"{address}:{port}" for address, port in daemons(student)]
    print("daemons:", targets)
    began_before = boot_time(student)
    print("the controller began:", began_before)
    for way in WAYS:
        words = ("python3", str(FLOODS), way, str(seconds), *targets)
        flood = threading.Thread(target=lambda words=words: print(student.command(*words).stdout))
        flood.start()
        time.sleep(seconds / 2)
        flood.join()
        began = time.monotonic()
        answer = student.command("sinfo", "--noheader", "--format=%T", seconds=60)
        took = time.monotonic() - began
        print(f"after {way}: {took:.2f} s: {answer.stdout.split()}")
        if answer.returncode != 0 or took > PATIENCE:
            found.append(f"after {way} the controller answered after {took:.1f} s")
        # One that was ended is back before anybody looks: its successor began later.
        began_after = boot_time(student)
        if not began_before or began_after != began_before:
            found.append(f"after {way} the controller is one that began {began_after!r}")
    return found


def boot_time(student: Student) -> str:
    """When the controller that answers was started (scontrol(1)); nothing if it does not say."""
    said = student.command("scontrol", "show", "config").stdout
    match = re.search(r"^BOOT_TIME\s*=\s*(\S+)", said, re.MULTILINE)
    return match[1] if match else ""


def daemons(student: Student) -> list[tuple[str, int]]:
    """Where they are, as a student can find out."""
    places = [
        (socket.gethostbyname("controller"), 6817),
        (socket.gethostbyname("accounting"), 6819),
    ]
    nodes = student.command("scontrol", "--oneliner", "show", "node").stdout
    workers = {word[9:] for word in nodes.split() if word.startswith("NodeAddr=")}
    return [*places, *((worker, 6818) for worker in sorted(workers))]


def closed() -> list[tuple[str, int]]:
    """What no student has any business with."""
    inside = socket.gethostbyname("controller").rpartition(".")[0]
    gateway = Path("/proc/net/route").read_text().splitlines()[1].split()[2]
    machine = socket.inet_ntoa(int(gateway, 16).to_bytes(4, "little"))
    ports = (22, 111, 2049, 2375, 2377, 7946)
    return [("database", 3306), (f"{inside}.1", 22), *((machine, port) for port in ports)]


def reached(host: str, port: int) -> bool:
    """Whether a connection can be made."""
    try:
        with socket.create_connection((host, port), 2):
            return True
    except OSError:
        return False
