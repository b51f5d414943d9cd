"""Tries to make the machine's devices by their numbers."""

import os
import stat

DEVICES = {
    "mem": (stat.S_IFCHR, 1, 1),
    "port": (stat.S_IFCHR, 1, 4),
    "null": (stat.S_IFCHR, 1, 3),
    "kmsg": (stat.S_IFCHR, 1, 11),
    "console": (stat.S_IFCHR, 5, 1),
    "kvm": (stat.S_IFCHR, 10, 232),
    "fuse": (stat.S_IFCHR, 10, 229),
    "tun": (stat.S_IFCHR, 10, 200),
    "loop-control": (stat.S_IFCHR, 10, 237),
    "snapshot": (stat.S_IFCHR, 10, 231),
    "msr": (stat.S_IFCHR, 202, 0),
    "loop0": (stat.S_IFBLK, 7, 0),
    "sda": (stat.S_IFBLK, 8, 0),
    "device mapper": (stat.S_IFBLK, 252, 0),
    "vda": (stat.S_IFBLK, 254, 0),
    "nvme": (stat.S_IFBLK, 259, 0),
    "overlay's whiteout": (stat.S_IFCHR, 0, 0),
}
PLACES = ("/work", "/tmp", "/dev", "/dev/pts", "/dev/mqueue")


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """The devices that could be made."""
        return [
            f"{place}/{name}" for place in PLACES for name in DEVICES if self._makes(place, name)
        ] + self._machines_disks()

    def _makes(self, place: str, name: str) -> bool:
        kind, major, minor = DEVICES[name]
        path = f"{place}/{name}"
        try:
            os.mknod(path, kind | 0o666, os.makedev(major, minor))
        except OSError as error:
            print(f"{path}: {error.strerror}")
            return False
        print(f"{path}: made")
        # One whiteout may be made by everybody (mknod(2)); where devices are none, it is a name.
        return _opens(path) or (major, minor) != (0, 0)

    def _machines_disks(self) -> list[str]:
        """The disks on which the machine's files lie, by the numbers of their own mounts."""
        found = []
        for place in ("/", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname"):
            disk = os.stat(place).st_dev
            try:
                os.mknod("/work/disk", stat.S_IFBLK | 0o666, disk)
            except OSError as error:
                print(f"disk of {place}, {os.major(disk)}:{os.minor(disk)}: {error.strerror}")
            else:
                found.append(place)
        return found


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        print(f"{path}, opened: {error.strerror}")
        return False
    return True
