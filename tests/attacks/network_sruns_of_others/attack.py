"""An srun of one's own stands for another's: it must end as always while the ports are flooded."""

import shutil
import socket
import threading
import time
from pathlib import Path

from tests.attacks.student import Student

FLOODS = Path(__file__).parents[1] / "floods.py"


def attack(student: Student, seconds: float) -> list[str]:
    """What was felt."""
    here = socket.gethostbyname(socket.gethostname())
    found = [
        f"port {port} of this node can be reached by its accounts"
        for port in (6802, 45000, 50000, 64999)
        if reached(here, port) or reached("127.0.0.1", port)
    ]
    name = student.job_name()
    program = student.folder / "floods.py"
    shutil.copy(FLOODS, program)
    words = ("srun", "--quiet", f"--job-name={name}", "python3", str(program))
    flood = threading.Thread(
        target=lambda: print(
            student.command(*words, "ports", str(seconds), f"{here}:1", seconds=100).stdout
        )
    )
    flood.start()
    time.sleep(seconds / 4)
    for _ in range(3):
        done = student.command("srun", "--quiet", f"--job-name={student.job_name()}",
                               "echo", "right", seconds=60)  # fmt: skip
        if done.stdout.strip() != "right":
            found.append(f"an srun gave {done.stdout!r} and {done.stderr!r}")
    flood.join()
    return found


def reached(host: str, port: int) -> bool:
    """Whether it is open to an account here: where nobody listens, a refusal is another's."""
    with socket.socket() as listener:
        try:
            listener.bind((host, port))
            listener.listen()
        except OSError:
            return False
        try:
            with socket.create_connection((host, port), 2):
                return True
        except OSError:
            return False
