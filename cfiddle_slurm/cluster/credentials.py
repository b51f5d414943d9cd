"""The cluster's secrets: made at random at the first start, and known to Docker alone."""

import secrets

from cfiddle_slurm import process

MUNGE_KEY = "cfiddle_munge_key"
DATABASE_PASSWORD = "cfiddle_database_password"  # noqa: S105 - a secret's name, not a secret
JUPYTER_TOKEN = "cfiddle_jupyter_token"  # noqa: S105
ALL = (MUNGE_KEY, DATABASE_PASSWORD, JUPYTER_TOKEN)
_MUNGE_KEY_BYTES = 1024  # munged(8): between 32 and 1024
_SECONDS = 60.0


def ensure() -> None:
    """Make the secrets that are missing. They travel by standard input, in no command line.

    Raises:
        ProcessError: Docker refused.
    """
    arguments = ["docker", "secret", "ls", "--format", "{{.Name}}"]
    known = process.check(arguments, timeout=_SECONDS).split()
    for name in ALL:
        if name not in known:
            process.check(
                ["docker", "secret", "create", name, "-"], timeout=_SECONDS, input=_new(name)
            )


def _new(name: str) -> bytes:
    if name == MUNGE_KEY:
        return secrets.token_bytes(_MUNGE_KEY_BYTES)
    return secrets.token_hex(24).encode()


def remove() -> None:
    """Forget the secrets; the next start makes new ones.

    Raises:
        ProcessError: a service still uses one.
    """
    arguments = ["docker", "secret", "ls", "--format", "{{.Name}}"]
    for name in set(process.check(arguments, timeout=_SECONDS).split()) & set(ALL):
        process.check(["docker", "secret", "rm", name], timeout=_SECONDS)
