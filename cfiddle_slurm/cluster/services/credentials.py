"""The cluster's secrets: made at random at the first start, and known to Docker alone."""

import secrets

from cfiddle_slurm.cluster.hosts.machines import Machine

MUNGE_KEY = "cfiddle_munge_key"
DATABASE_PASSWORD = "cfiddle_database_password"  # noqa: S105 - a secret's name, not a secret
JUPYTER_TOKEN = "cfiddle_jupyter_token"  # noqa: S105
ALL = (MUNGE_KEY, DATABASE_PASSWORD, JUPYTER_TOKEN)
_MUNGE_KEY_BYTES = 1024  # munged(8): between 32 and 1024


def ensure(head: Machine) -> None:
    """Make the secrets that are missing. They travel by standard input, in no command line.

    Raises:
        MachineError: Docker refused.
    """
    for name in missing(head):
        head.docker("secret", "create", name, "-", input=_new(name))


def missing(head: Machine) -> list[str]:
    """The secrets that are still to be made.

    Raises:
        MachineError: Docker does not answer.
    """
    known = _known(head)
    return [name for name in ALL if name not in known]


def _known(head: Machine) -> set[str]:
    return set(head.docker("secret", "ls", "--format={{.Name}}").split())


def _new(name: str) -> bytes:
    if name == MUNGE_KEY:
        return secrets.token_bytes(_MUNGE_KEY_BYTES)
    return secrets.token_hex(24).encode()


def remove(head: Machine) -> None:
    """Forget the secrets; the next start makes new ones.

    Raises:
        MachineError: a service still uses one.
    """
    for name in sorted(_known(head) & set(ALL)):
        head.docker("secret", "rm", name)
