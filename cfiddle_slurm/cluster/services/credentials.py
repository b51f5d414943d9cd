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
        new = secrets.token_hex(24).encode()
        if name == MUNGE_KEY:
            new = secrets.token_bytes(_MUNGE_KEY_BYTES)
        head.docker("secret", "create", name, "-", input=new)


def missing(head: Machine) -> list[str]:
    """The secrets that are still to be made.

    Raises:
        MachineError: Docker does not answer.
    """
    known = head.docker("secret", "ls", "--format={{.Name}}").split()
    return [name for name in ALL if name not in known]


def remove(head: Machine) -> None:
    """Forget the secrets; the next start makes new ones.

    Raises:
        MachineError: a service still uses one.
    """
    for name in sorted({*ALL} - {*missing(head)}):
        head.docker("secret", "rm", name)
