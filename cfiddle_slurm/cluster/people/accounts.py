"""Accounts: one file on the shared home, which every machine reads (libnss-extrausers)."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError, try_each
from cfiddle_slurm.cluster.image.images import CLUSTER, IMAGES
from cfiddle_slurm.cluster.people.account_book import (
    Account,
    AccountError,
    check,
    is_number,
    parse_ever,
    parse_passwd,
    system_of,
)
from cfiddle_slurm.cluster.people.account_program import REFUSED
from cfiddle_slurm.cluster.services import slurm, stack

TEST_ACCOUNTS = {"jovyan": 1000, "test_user1": 1001, "test_user2": 1002}
SERVER = "jovyan"
"""The account whose JupyterLab is the user node's."""
_SECONDS = 300.0
_FOLDER = "/usr/local/lib/cfiddle-slurm"
_WITH_STUDENTS = ("user", "worker")
"""The services in whose containers students' processes run."""


def read_csv(path: Path) -> dict[str, int | None]:
    """Names, and uids where there are any, in a CSV file with the columns ``name`` and ``uid``.

    A file without a line of column names has a name, and perhaps a uid, in each line.

    Raises:
        AccountError: it cannot be read, or a line of it cannot be an account.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [(number, row) for number, row in enumerate(csv.reader(stream), 1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AccountError(f"{path} cannot be read: {error}.") from error
    columns = ["name", "uid"]
    if rows and "name" in (first := [cell.strip().lower() for cell in rows[0][1]]):
        columns, rows = first, rows[1:]
    found: dict[str, int | None] = {}
    for number, row in rows:
        cells = dict(zip(columns, map(str.strip, row), strict=False))
        name, uid = cells.get("name", ""), cells.get("uid", "")
        if uid and not is_number(uid):
            raise AccountError(f"{path}, line {number}: {uid[:40]!r} is not a uid.")
        if name in found:
            raise AccountError(f"{path}, line {number}: {name!r} is listed twice.")
        found[name] = int(uid) if uid else None
        try:
            check(name, found[name])
        except AccountError as error:
            raise AccountError(f"{path}, line {number}: {error}") from error
    if not found:
        raise AccountError(f"{path} lists no accounts.")
    return found


def listed(head: Machine) -> list[Account]:
    """The accounts of the cluster.

    Raises:
        MachineError: the home cannot be read.
    """
    return parse_passwd(_program(head, "list"))


def add(head: Machine, wanted: Mapping[str, int | None]) -> dict[str, int]:
    """Add the accounts that are missing, with their home directories. Returns the new ones.

    Raises:
        AccountError, MachineError: they cannot be added; then none is.
    """
    for name, uid in wanted.items():
        check(name, uid)
    system = system_of("\n".join(_system(head, image.tag) for image in IMAGES))
    told = {"wanted": dict(wanted), "names": sorted(system.names), "ids": sorted(system.ids)}
    new: dict[str, int] = json.loads(_program(head, "add", input=json.dumps(told).encode()))
    return new


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
    if done.status == REFUSED:
        raise AccountError(done.last_words)
    if done.status != 0:
        raise MachineError(f"The accounts on {head} cannot be read or changed: {done.last_words}")
    return done.stdout
