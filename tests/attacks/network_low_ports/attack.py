"""Docker lets everybody have them (net.ipv4.ip_unprivileged_port_start is 0), unless it is told."""

import socket

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """The ports that were had."""
    had = []
    for port in range(1, 1024):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as each:
                try:
                    each.bind(("", port))
                except OSError:
                    continue
                had.append(f"{port}")
    print(f"refused: {1023 - len(set(had))}")
    return had
