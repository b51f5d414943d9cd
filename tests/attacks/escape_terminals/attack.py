"""Looks for terminals, and does to an own one what attacks do."""

import fcntl
import os
import termios

TIOCCONS, TIOCLINUX, TIOCSETD, TIOCVHANGUP = 0x541D, 0x541C, 0x5423, 0x5437
ORDINARY_DISCIPLINES = (0, 27)
"""The terminal's and the one that does nothing."""
LAST_DISCIPLINE = 31


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What worked."""
        found = [name for name in ("0", "1", "2") if _types_into(int(name))]
        for path in ("/dev/tty", "/dev/console", "/dev/tty0", *_others()):
            try:
                terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
            except OSError as error:
                print(f"{path}: {error.strerror}")
                continue
            if _types_into(terminal):
                found.append(path)
            os.close(terminal)
        return found + _with_own()


def _others() -> list[str]:
    try:
        return [f"/dev/pts/{name}" for name in os.listdir("/dev/pts") if name != "ptmx"]
    except OSError as error:
        print(f"/dev/pts: {error.strerror}")
        return []


def _types_into(terminal: int) -> bool:
    return _asks("TIOCSTI", terminal, termios.TIOCSTI, b"x")


def _asks(name: str, terminal: int, request: int, argument: bytes) -> bool:
    try:
        fcntl.ioctl(terminal, request, argument)
    except OSError as error:
        print(f"{name}: {error.strerror}")
        return False
    print(f"{name}: worked")
    return True


def _with_own() -> list[str]:
    """An own pseudo-terminal is no harm; what reaches beyond it is."""
    try:
        master, slave = os.openpty()
    except OSError as error:
        print(f"a terminal of its own: {error.strerror}")
        return []
    found = []
    for name, request in (
        ("TIOCCONS", TIOCCONS),
        ("TIOCLINUX", TIOCLINUX),
        ("hang up", TIOCVHANGUP),
    ):
        for end in (master, slave):
            if _asks(name, end, request, b"\x06"):
                found.append(name)
    for number in range(LAST_DISCIPLINE):
        if number not in ORDINARY_DISCIPLINES and _asks(
            f"line discipline {number}", slave, TIOCSETD, number.to_bytes(4, "little")
        ):
            found.append(f"line discipline {number}")
    os.close(master)
    os.close(slave)
    return found
