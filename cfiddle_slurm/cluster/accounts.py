"""Accounts: one file on the shared home, which every machine reads (libnss-extrausers)."""

import re
from collections.abc import Mapping

from cfiddle_slurm import process
from cfiddle_slurm.cluster.images import CLUSTER

TEST_ACCOUNTS = {"jovyan": 1000, "test_user1": 1001, "test_user2": 1002}
HOME_VOLUME = "cfiddle_home"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_UIDS = range(1000, 60000)
_RESERVED = (7000, 7101, 7102)
_SECONDS = 120.0


class AccountError(ValueError):
    """An account's name or uid cannot be used; the message is one sentence."""


def lines(accounts: Mapping[str, int]) -> str:
    """The accounts, one ``NAME UID`` a line, for the program that adds them.

    Raises:
        AccountError: a name or a uid that must not be used.
    """
    for name, uid in accounts.items():
        if not _NAME.fullmatch(name):
            raise AccountError(f"{name!r} is not the name of an account: use a-z, 0-9, _ and -.")
        if uid not in _UIDS or uid in _RESERVED:
            raise AccountError(f"The uid {uid} of {name} is taken or outside 1000..59999.")
    if len(set(accounts.values())) != len(accounts):
        raise AccountError("Two accounts have the same uid.")
    return "".join(f"{name} {uid}\n" for name, uid in accounts.items())


def ensure(accounts: Mapping[str, int]) -> None:
    """Add the accounts that are missing, with their home directories.

    Raises:
        AccountError, ProcessError: they cannot be added.
    """
    process.check(
        [
            "docker", "run", "--rm", "--interactive", "--network=none",
            f"--volume={HOME_VOLUME}:/home",
            "--entrypoint=/usr/local/lib/cfiddle-slurm/accounts",
            CLUSTER.tag,
        ],
        timeout=_SECONDS,
        input=lines(accounts).encode(),
    )  # fmt: skip
