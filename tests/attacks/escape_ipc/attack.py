"""System V and POSIX objects that are not its own."""

import ctypes
import os

IPC_INFO, SHM_INFO, SEM_INFO, MSG_INFO = 3, 14, 19, 12
KINDS = {"shm": ("shmctl", SHM_INFO), "sem": ("semctl", SEM_INFO), "msg": ("msgctl", MSG_INFO)}
SHARED = ("/dev/shm", "/run/shm", "/dev/mqueue", "/run/lock", "/var/lock", "/var/tmp")


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """What others have there."""
        found = []
        for name in KINDS:
            try:
                with open(f"/proc/sysvipc/{name}") as stream:
                    there = len(stream.readlines()) - 1
            except OSError as error:
                print(f"{name}: {error.strerror}")
                continue
            print(f"{name}: {there}")
            if there:
                found.append(name)
        return found + self._by_number() + self._folders()

    def _by_number(self) -> list[str]:
        libc = ctypes.CDLL(None, use_errno=True)
        found = []
        for name, (function, command) in KINDS.items():
            room = ctypes.create_string_buffer(256)
            call = getattr(libc, function)
            last = call(0, 0, command, room) if name == "sem" else call(0, command, room)
            print(f"{function}: highest index {last}, {os.strerror(ctypes.get_errno())}")
            if last > 0:
                found.append(function)
        return found

    def _folders(self) -> list[str]:
        found = []
        for folder in SHARED:
            try:
                found += [f"{folder}/{name}" for name in os.listdir(folder)]
            except OSError as error:
                print(f"{folder}: {error.strerror}")
        return found
