"""A handler of crashes is started by the kernel, outside of every container."""

import os
import resource
import signal

PATTERN = "/proc/sys/kernel/core_pattern"


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """Core files, and whether more than none may be written."""
        with open(PATTERN) as stream:
            pattern = stream.read().strip()
        print(f"core_pattern is {pattern!r}")
        found = []
        for limit in (2, 1 << 20, resource.RLIM_INFINITY):
            try:
                resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
            except (OSError, ValueError) as error:
                print(f"a limit of {limit}: {error}")
            else:
                found.append(f"a limit of {limit}")
        child = os.fork()
        if child == 0:
            os.chdir("/work")
            os.kill(os.getpid(), signal.SIGSEGV)
        _, status = os.waitpid(child, 0)
        if os.WCOREDUMP(status):
            # A pipe is not bound by the limit of core files (core(5)).
            found.append(f"dumped to {pattern}")
        return found + [name for name in os.listdir("/work") if name.startswith("core")]
