"""Do things on the user node as one of its accounts."""

import time
from collections.abc import Sequence

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.people.account_book import UIDS, AccountError, parse_passwd
from cfiddle_slurm.cluster.people.logins import NAME
from cfiddle_slurm.cluster.services import credentials, stack

_SECONDS = 60.0
_FOLDER = "/usr/local/lib/cfiddle-slurm"
_NO_SUCH_KEY = 2  # getent(1), "EXIT STATUS"
_TIMES, _PAUSE_SECONDS = 3, 1.0


def exec_arguments(
    head: Machine, user: str, command: Sequence[str], *, terminal: bool = False
) -> list[str]:
    """The ``docker exec`` that runs a command as an account, in its home.

    Raises:
        AccountError: the user node does not know the account.
        NotHealthy: there is no user node.
        MachineError: the user node does not answer.
    """
    container = stack.container_on(head, "user")
    _require_account(head, container, user)
    options = ["--interactive", *(["--tty"] if terminal else [])]
    return head.docker_arguments("exec", *options, container, f"{_FOLDER}/enter", user, *command)


def _require_account(head: Machine, container: str, user: str) -> None:
    """Make sure that a name is a student's: nobody enters as one of the system's users."""
    unknown = AccountError(f"There is no account {user!r} on the user node.")
    if not NAME.fullmatch(user):
        raise unknown
    words = ""
    for attempt in range(_TIMES):
        time.sleep(_PAUSE_SECONDS if attempt else 0)
        entry = head.try_docker(
            "exec", container, "getent", "-s", "extrausers", "passwd", user, timeout=_SECONDS
        )
        found = parse_passwd(entry.stdout)
        if entry.status == 0 and found:
            if found[0].name != user or found[0].uid not in UIDS:
                raise unknown
            return
        if entry.status == _NO_SUCH_KEY:
            raise unknown
        # It says nothing about the account: ssh or Docker failed, or Docker lost what was printed,
        # as it does where it has to wait for it for two seconds (moby, daemon/monitor.go).
        words = entry.last_words
    raise MachineError(
        f"The user node on {head} does not tell who {user!r} is: {words or 'it prints nothing'}"
    )


def copy_to_home(head: Machine, user: str, name: str, data: bytes) -> None:
    """Write a file below an account's home, as that account.

    Raises:
        AccountError, MachineError, NotHealthy, ProcessError: it cannot be written.
    """
    script = 'mkdir -p "$(dirname "$1")" && cat >"$1"'
    arguments = exec_arguments(head, user, ["sh", "-c", script, "sh", name])
    process.check(arguments, timeout=_SECONDS, input=data)


def give_examples(head: Machine) -> None:
    """Put the example notebooks into each account's home, where they are missing.

    Raises:
        NotHealthy, MachineError: there is no user node.
    """
    head.docker("exec", stack.container_on(head, "user"), f"{_FOLDER}/give-examples")


def jupyter_url(head: Machine, port: int) -> str:
    """Where a browser finds Jupyter, token included.

    Raises:
        NotHealthy, MachineError: there is no user node.
    """
    place = f"/run/secrets/{credentials.JUPYTER_TOKEN}"
    token = head.docker("exec", stack.container_on(head, "user"), "cat", place)
    return f"http://{'127.0.0.1' if head.is_local else head.address}:{port}/lab?token={token}"
