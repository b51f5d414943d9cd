"""Devices that make interfaces, or lead around them."""

import os
import stat

DEVICES = {
    "/dev/net/tun": (10, 200),
    "/dev/vhost-net": (10, 238),
    "/dev/vhost-vsock": (10, 241),
    "/dev/ppp": (108, 0),
    "/dev/kvm": (10, 232),
}


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """The devices that could be opened."""
        found = [path for path in DEVICES if self._opens(path)]
        for path, (major, minor) in DEVICES.items():
            for folder in ("/tmp", "/work", "/dev"):
                made = f"{folder}/{os.path.basename(path)}"
                try:
                    os.mknod(made, 0o600 | stat.S_IFCHR, os.makedev(major, minor))
                except OSError as error:
                    print(f"mknod {made}: {error.strerror}")
                else:
                    found += [made] if self._opens(made) else []
        return found

    def _opens(self, path: str) -> bool:
        try:
            os.close(os.open(path, os.O_RDWR))
        except OSError as error:
            print(f"{path}: {error.strerror}")
            return False
        return True
