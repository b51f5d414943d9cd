"""Accounts: one file on the shared home, which every machine reads (libnss-extrausers)."""

import json
from collections.abc import Mapping, Sequence

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError, try_each
from cfiddle_slurm.cluster.image.images import CLUSTER, IMAGES
from cfiddle_slurm.cluster.people import logins
from cfiddle_slurm.cluster.people.account_book import (
    Account,
    AccountError,
    AccountsRefused,
    check,
    parse_ever,
    parse_passwd,
    system_of,
)
from cfiddle_slurm.cluster.people.account_program import EACH_REFUSED, NO_COMMAND, REFUSED
from cfiddle_slurm.cluster.people.logins import NAME
from cfiddle_slurm.cluster.services import slurm, stack

TEST_ACCOUNTS = {"jovyan": 1000, "test_user1": 1001, "test_user2": 1002}
SERVER = "jovyan"
"""The account whose JupyterLab is the user node's."""
_SECONDS = 300.0
_FOLDER = "/usr/local/lib/cfiddle-slurm"
_WITH_STUDENTS = ("user", "worker")
"""The services in whose containers students' processes run."""


def listed(head: Machine) -> list[Account]:
    """The accounts of the cluster.

    Raises:
        MachineError: the home cannot be read.
    """
    return parse_passwd(_program(head, "list"))


def logins_of(head: Machine) -> dict[str, str]:
    """The logins that are not the names of their accounts, by account, also of removed ones.

    Raises:
        MachineError: the home cannot be read.
    """
    found: dict[str, str] = json.loads(_program(head, "logins"))
    return found


def named(head: Machine, word: str) -> str:
    """The account that an administrator means: its name or, if that is none, its owner's login.

    Raises:
        LoginError, AccountError: there is none of that login.
        MachineError: the home cannot be read.
    """
    if NAME.fullmatch(word):
        return word
    name = logins.account_name(word)
    if not logins.same(logins_of(head).get(name, name), word):
        raise AccountError(f"There is no account of the login {word!r}.")
    return name


def add(
    head: Machine, wanted: Mapping[str, int | None], owners: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Add the accounts that are missing, with their home directories. Returns the new ones.

    Args:
        wanted: names, and uids where they are to be certain ones.
        owners: logins by account. An account that is or was another login's is refused.

    Raises:
        AccountError, MachineError: they cannot be added; then none is.
    """
    new: dict[str, int] = json.loads(_asked(head, "add", wanted, owners))
    return new


def refused(
    head: Machine, wanted: Mapping[str, int | None], owners: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """Why people cannot have these accounts, by name; nothing is changed.

    Raises:
        MachineError: the home cannot be read.
    """
    own = {name: f"{name!r} is an account of the cluster itself." for name in wanted
           if name in TEST_ACCOUNTS}  # fmt: skip
    try:
        _asked(head, "judge", wanted, owners)
    except AccountsRefused as error:
        return {**error.why, **own}
    return own


def _asked(
    head: Machine,
    word: str,
    wanted: Mapping[str, int | None],
    owners: Mapping[str, str] | None,
) -> str:
    for name, uid in wanted.items():
        check(name, uid)
    system = system_of("\n".join(_system(head, image.tag) for image in IMAGES))
    told = {"wanted": dict(wanted), "logins": dict(owners or {}),
            "names": sorted(system.names), "ids": sorted(system.ids)}  # fmt: skip
    return _program(head, word, input=json.dumps(told).encode())


def remove(machines: Sequence[Machine], name: str, *, purge: bool) -> None:
    """Take an account away, and end all that runs of it; its home stays, unless it is to be purged.

    Its name and uid are nobody else's for good. What could not be done is done by doing this again.

    Args:
        machines: all of the cluster, the head first.

    Raises:
        AccountError: there is none of that name.
        MachineError: it cannot be removed, or something of it still runs.
    """
    head = machines[0]
    if name == SERVER:
        raise AccountError(f"JupyterLab runs as {name}: this account cannot be removed.")
    ever = parse_ever(_program(head, "ever"))
    if name not in ever:
        raise AccountError(f"There is no account {name!r}.")
    if name in {account.name for account in listed(head)}:
        slurm.forget_user(head, name)
        _program(head, "remove", name)
    _, failed = try_each(machines, lambda machine: _end(machine, ever[name]))
    if failed:
        why = "\n".join(map(str, failed.values()))
        raise MachineError(
            f"The account {name} is removed, but some of its processes may still run: {why}"
            f" Fix that, then run `user remove {name}` again."
        )
    if purge:
        _program(head, "purge", name)


def _end(machine: Machine, uid: int) -> None:
    """End all that runs under a uid in a machine's containers, and remove what it left there."""
    for service in _WITH_STUDENTS:
        label = f"--filter=label=com.docker.swarm.service.name={stack.NAME}_{service}"
        for container in machine.docker("ps", "--quiet", label).split():
            machine.docker("exec", container, f"{_FOLDER}/end-account", str(uid))


def usage(head: Machine) -> dict[str, int]:
    """The bytes in each account's home, as far as they could be counted in two minutes.

    Raises:
        MachineError: the home cannot be read.
    """
    found: dict[str, int] = json.loads(_program(head, "usage"))
    return found


def _system(head: Machine, tag: str) -> str:
    """The passwd and group files of an image."""
    return head.docker(
        "run", "--rm", "--network=none", "--entrypoint=cat", tag, "/etc/passwd", "/etc/group",
        timeout=_SECONDS,
    )  # fmt: skip


def _program(head: Machine, *words: str, input: bytes | None = None) -> str:  # noqa: A002
    done = head.try_docker(
        "run", "--rm", "--interactive", "--network=none", f"--volume={stack.HOME_VOLUME}:/home",
        f"--entrypoint={_FOLDER}/accounts", CLUSTER.tag, *words, timeout=_SECONDS,
        input=input or b"",
    )  # fmt: skip
    if done.status == EACH_REFUSED:
        raise AccountsRefused(json.loads(done.stdout))
    if done.status == REFUSED:
        raise AccountError(done.last_words)
    if done.status == NO_COMMAND:
        raise MachineError(f"The images on {head} are older than this command: run `images build`.")
    if done.status != 0:
        raise MachineError(f"The accounts on {head} cannot be read or changed: {done.last_words}")
    return done.stdout
