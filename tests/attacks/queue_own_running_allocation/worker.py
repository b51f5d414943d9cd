"""In the same allocation as the running experiment."""

import os
import signal
import socket
from pathlib import Path


def main() -> None:
    """Say what can be reached: processes of other accounts, the engine, sandboxd's own things."""
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            owner = folder.stat().st_uid
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue
        print(f"{folder.name} {owner} {name}")
        if owner != os.getuid():
            tell_if_reached(folder)
    for place in (
        "/var/run/docker.sock",
        "/run/cfiddle-slurm/jobs/1",
        "/run/cfiddle-slurm/socket/x",
        "/run/cfiddle-slurm/socket/state",
    ):
        try:
            os.close(os.open(place, os.O_CREAT | os.O_RDWR, 0o600))
            print(f"REACHED {place}")
        except OSError as error:
            print(f"{place}: {error.strerror}")
    with socket.socket() as door:
        door.settimeout(2)
        for port in (2375, 2376):
            if door.connect_ex(("172.17.0.1", port)) == 0:
                print(f"REACHED the engine at port {port}")


def tell_if_reached(folder: Path) -> None:
    """Of a process of another account."""
    for name in ("environ", "mem", "maps", "fd"):
        try:
            if name == "fd":
                os.listdir(folder / name)
            else:
                (folder / name).open("rb").read(1)
            print(f"REACHED {folder / name}")
        except OSError:
            pass
    try:
        os.kill(int(folder.name), signal.SIGURG)
        print(f"REACHED {folder.name} by a signal")
    except OSError:
        pass


if __name__ == "__main__":
    main()
