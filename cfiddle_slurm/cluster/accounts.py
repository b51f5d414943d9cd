"""Accounts: one file on the shared home, which every machine reads (libnss-extrausers)."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cfiddle_slurm.cluster import slurm, stack
from cfiddle_slurm.cluster.images import CLUSTER
from cfiddle_slurm.cluster.machines import Machine

TEST_ACCOUNTS = {"jovyan": 1000, "test_user1": 1001, "test_user2": 1002}
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_UIDS = range(1000, 60000)
_FIRST_FREE = 1100
_MAX_DIGITS = 10
_RESERVED = frozenset((7000, 7101, 7102, 7103))
_SECONDS = 300.0
_PROGRAM = "/usr/local/lib/cfiddle-slurm/accounts"


class AccountError(ValueError):
    """An account's name or uid cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Account:
    """A student's account."""

    name: str
    uid: int
    home: str


def check(name: str, uid: int) -> None:
    """Refuse what cannot be an account.

    Raises:
        AccountError: a name or a uid that must not be used.
    """
    if not _NAME.fullmatch(name):
        raise AccountError(f"{name!r} is not the name of an account: use a-z, 0-9, _ and -.")
    if uid not in _UIDS or uid in _RESERVED:
        raise AccountError(f"The uid {uid} of {name} is taken or outside 1000..59999.")


def lines(accounts: Mapping[str, int]) -> str:
    """The accounts, one ``NAME UID`` a line, for the program that adds them.

    Raises:
        AccountError: a name or a uid that must not be used.
    """
    for name, uid in accounts.items():
        check(name, uid)
    if len(set(accounts.values())) != len(accounts):
        raise AccountError("Two accounts have the same uid.")
    return "".join(f"{name} {uid}\n" for name, uid in accounts.items())


def parse_passwd(text: str) -> list[Account]:
    """The accounts in the text of a passwd file (passwd(5))."""
    found = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and _is_number(fields[2]):
            found.append(Account(fields[0], int(fields[2]), fields[5]))
    return found


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
    columns = {"name": 0, "uid": 1}
    if rows and "name" in [cell.strip().lower() for cell in rows[0][1]]:
        columns = {cell.strip().lower(): place for place, cell in enumerate(rows[0][1])}
        rows = rows[1:]
    found: dict[str, int | None] = {}
    for number, row in rows:
        name = _cell(row, columns.get("name"))
        uid = _cell(row, columns.get("uid"))
        if uid and not _is_number(uid):
            raise AccountError(f"{path}, line {number}: {uid[:40]!r} is not a uid.")
        if name in found:
            raise AccountError(f"{path}, line {number}: {name!r} comes twice.")
        try:
            check(name, int(uid) if uid else _FIRST_FREE)
        except AccountError as error:
            raise AccountError(f"{path}, line {number}: {error}") from error
        found[name] = int(uid) if uid else None
    if not found:
        raise AccountError(f"{path} names no account.")
    return found


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MAX_DIGITS


def _cell(row: list[str], place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""


def with_uids(wanted: Mapping[str, int | None], known: Iterable[Account]) -> dict[str, int]:
    """New accounts with a uid each; those that are known already are left out.

    Raises:
        AccountError: a uid belongs to somebody else already.
    """
    there = list(known)
    owners = {account.uid: account.name for account in there}
    names = {account.name for account in there}
    new = {name: uid for name, uid in wanted.items() if name not in names}
    for name, uid in new.items():
        if uid is not None and uid in owners:
            raise AccountError(f"The uid {uid} of {name} belongs to {owners[uid]} already.")
    taken = set(owners) | _RESERVED | {uid for uid in new.values() if uid is not None}
    free = (uid for uid in range(_FIRST_FREE, _UIDS.stop) if uid not in taken)
    return {name: next(free) if uid is None else uid for name, uid in new.items()}


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
    new = with_uids(wanted, listed(head))
    _program(head, "add", input=lines(new).encode())
    return new


def remove(head: Machine, name: str, *, purge: bool) -> None:
    """Take an account away; its home stays, unless it is to be purged.

    Raises:
        AccountError: there is none of that name.
        MachineError: it cannot be removed.
    """
    if name not in {account.name for account in listed(head)}:
        raise AccountError(f"There is no account {name!r}.")
    slurm.forget_user(head, name)
    _program(head, "purge" if purge else "remove", name)


def _program(head: Machine, *words: str, input: bytes | None = None) -> str:  # noqa: A002
    return head.docker(
        "run", "--rm", "--interactive", "--network=none", f"--volume={stack.HOME_VOLUME}:/home",
        f"--entrypoint={_PROGRAM}", CLUSTER.tag, *words, timeout=_SECONDS, input=input or b"",
    )  # fmt: skip
