"""Opens devices by the names that they have on a machine."""

import glob
import os
import stat

HARMLESS = frozenset(("null", "zero", "full", "random", "urandom", "tty", "ptmx"))
NAMES = (
    "mem", "kmem", "port", "kmsg", "console", "tty0", "tty1",
    "ttyS0", "hvc0", "vcs", "vcsa", "kvm", "fuse", "net/tun",
    "vhost-net", "vhost-vsock", "vsock", "vfio/vfio", "loop-control", "loop0", "mapper/control",
    "sda", "sda1", "vda", "vda1", "nvme0", "nvme0n1", "xvda",
    "sr0", "ram0", "zram0", "snapshot", "hpet", "rtc0", "nvram",
    "cpu/0/msr", "cpu/0/cpuid", "cpu_dma_latency", "userfaultfd", "autofs", "btrfs-control",
    "uinput",
    "uhid", "input/event0", "input/mice", "dri/card0", "dri/renderD128", "nvidia0", "nvidiactl",
    "kfd", "fb0", "ppp", "rfkill", "usb/hiddev0", "bus/usb/001/001", "watchdog",
    "watchdog0", "ptp0", "mei0", "tpm0", "tpmrm0", "sev", "sgx_enclave",
    "dma_heap/system", "infiniband/uverbs0", "i2c-0", "mtd0", "ubi_ctrl", "cuse", "udmabuf",
    "vga_arbiter", "hwrng", "log", "initctl",
)  # fmt: skip


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """The devices that opened, and all that lie in /dev and should not."""
        found = [name for name in NAMES if self._opens(f"/dev/{name}")]
        for path in glob.glob("/dev/*") + glob.glob("/dev/[!f]*/**", recursive=True):
            kind = os.lstat(path).st_mode
            if stat.S_ISBLK(kind) or (
                stat.S_ISCHR(kind)
                and path.removeprefix("/dev/") not in HARMLESS
                and not path.startswith("/dev/pts/")
            ):
                found.append(path)
        return found

    def _opens(self, path: str) -> bool:
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
            try:
                os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY))
            except OSError as error:
                print(f"{path}: {error.strerror}")
            else:
                print(f"{path}: opened")
                return True
        return False
