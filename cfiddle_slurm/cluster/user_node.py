"""Do things on the user node as one of its accounts."""

import os
import sys
from collections.abc import Sequence

from cfiddle_slurm import process
from cfiddle_slurm.cluster import credentials, stack
from cfiddle_slurm.cluster.accounts import AccountError

_SECONDS = 60.0


def exec_arguments(user: str, command: Sequence[str], *, terminal: bool = False) -> list[str]:
    """The ``docker exec`` that runs a command as an account, in its home.

    Raises:
        AccountError: the user node does not know the account.
        NotHealthy: there is no user node.
    """
    container = stack.container_of("user")
    # Docker looks into /etc/passwd only; the accounts are elsewhere.
    entry = process.run(["docker", "exec", container, "getent", "passwd", user], timeout=_SECONDS)
    fields = entry.stdout.strip().split(":")
    if entry.status != 0 or len(fields) != 7:
        raise AccountError(f"The user node does not know the account {user!r}.")
    name, _, uid, gid, _, home, shell = fields
    options = ["--interactive", *(["--tty"] if terminal else [])]
    variables = [f"--env={k}={v}" for k, v in {"HOME": home, "USER": name, "SHELL": shell}.items()]
    return [
        "docker", "exec", *options, *variables, f"--user={uid}:{gid}", f"--workdir={home}",
        container, *command,
    ]  # fmt: skip


def replace_by(user: str, command: Sequence[str]) -> None:
    """Become a command on the user node; returns only by an error.

    Raises:
        AccountError, NotHealthy: as :func:`exec_arguments`.
    """
    arguments = exec_arguments(user, command, terminal=sys.stdin.isatty() and sys.stdout.isatty())
    os.execvp(arguments[0], arguments)  # noqa: S606 - no shell is wanted


def copy_to_home(user: str, name: str, data: bytes) -> None:
    """Write a file below an account's home, as that account.

    Raises:
        AccountError, NotHealthy, ProcessError: it cannot be written.
    """
    script = 'mkdir -p "$(dirname "$1")" && cat >"$1"'
    arguments = exec_arguments(user, ["sh", "-c", script, "sh", name])
    process.check(arguments, timeout=_SECONDS, input=data)


def jupyter_url(port: int) -> str:
    """Where a browser on this machine finds Jupyter, token included.

    Raises:
        NotHealthy, ProcessError: there is no user node.
    """
    place = f"/run/secrets/{credentials.JUPYTER_TOKEN}"
    arguments = ["docker", "exec", stack.container_of("user"), "cat", place]
    token = process.check(arguments, timeout=_SECONDS).strip()
    return f"http://127.0.0.1:{port}/lab?token={token}"
