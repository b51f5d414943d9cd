"""Why a machine cannot be reached, from what ssh and Docker say of it. Pure functions."""

import re
from dataclasses import dataclass

from cfiddle_slurm.printable import one_line


@dataclass(frozen=True)
class Obstacle:
    """What stands in the way, and what to do about it; both in plain words."""

    what: str
    mend: str


_ANY_KEY = "`ssh` to it once by hand"
_OBSTACLES = (
    (r"Could not resolve host|Name or service not known|getaddrinfo|No address associated",
     Obstacle("its name cannot be resolved", "Correct the name, or add it to the DNS, to"
              " /etc/hosts or to ~/.ssh/config.")),
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED",
     Obstacle("its host key has changed", f"If it was installed anew, remove the old key"
              f" (`ssh-keygen -R`) and {_ANY_KEY}.")),
    (r"Host key verification failed|host key is known",
     Obstacle("its host key is not known here", f"Try {_ANY_KEY}, and compare the key.")),
    (r"Permission denied|Too many authentication failures",
     Obstacle("it refuses a login without a password",
              "Make `ssh` work without a password (`ssh-copy-id`).")),
    (r"Connection refused",
     Obstacle("no ssh server answers there", "Start its ssh server, or correct the address.")),
    (r"timed out|No route to host|Network is unreachable|Host is down|did not end within",
     Obstacle("it does not answer", "Switch it on, or correct its address.")),
)  # fmt: skip
# Before anything was asked of the machine: so it can be asked again. sshd drops connections while
# many begin (MaxStartups) and refuses sessions above MaxSessions (sshd_config(5)); a lost first
# answer of the engine makes docker use its own API's version, which the engine may not know.
_AGAIN = re.compile(
    r"Temporary failure in name resolution|kex_exchange_identification"
    r"|ssh_exchange_identification|during banner exchange|session request failed"
    r"|Session open refused|client version \S+ is too new"
)
_BY_SSH = re.compile(r"error during connect|exit status 255")


def obstacle(stderr: str) -> Obstacle:
    """What ssh's words mean; words that are not known are given as they are."""
    for words, found in _OBSTACLES:
        if re.search(words, stderr):
            return found
    lines = stderr.strip().splitlines()
    return Obstacle(one_line(lines[-1]) if lines else "ssh gave no reason",
                    "Make `ssh` work without a password.")  # fmt: skip


def is_worth_another_try(stderr: str) -> bool:
    """Whether a command that failed had not even begun, and may succeed a moment later."""
    return bool(_AGAIN.search(stderr))


def is_unreachable(stderr: str) -> bool:
    """Whether a docker command failed since ssh found no way to the engine's machine."""
    return bool(_BY_SSH.search(stderr)) and any(re.search(w, stderr) for w, _ in _OBSTACLES)
