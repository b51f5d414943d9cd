"""Who has which uid, and who ever had one. Pure; the standard library is enough for it.

A uid is never given to two names, not even one after the other: what the first one left (a process,
a file somewhere) would be the second one's. Whoever comes back gets the own uid and home back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cfiddle_slurm.cluster.people import logins as people
from cfiddle_slurm.cluster.people.logins import NAME
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.ids import RESERVED

UIDS = range(1000, 60000)
FIRST_FREE = 1100
SYSTEM_NAMES = frozenset(
    """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc
    nobody nogroup adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip
    operator src shadow utmp video sasl plugdev staff users input sgx kvm render crontab
    ssh sshd docker cfiddle slurm munge mysql door jupyter admin administrator wheel
    """.split()  # noqa: SIM905 - sixty quoted words are no easier to read
)
_MAX_DIGITS = 10


class AccountError(ClusterError):
    """An account's name or uid cannot be used; the message is one sentence."""


class AccountsRefused(AccountError):
    """Some accounts cannot be added; ``why`` has a sentence for each name."""

    def __init__(self, why: Mapping[str, str]) -> None:
        super().__init__(" ".join(dict.fromkeys(why.values())))
        self.why = why


@dataclass(frozen=True)
class Account:
    """A student's account."""

    name: str
    uid: int
    home: str


@dataclass(frozen=True)
class Book:
    """What is known of names and uids.

    Attributes:
        accounts: that there are.
        ever: the uid of every name that ever was an account, also of those that are none any more.
        homes: the owner of each folder of /home, by the folder's name.
        logins: whose account a name is or was, where the login is not the name itself.
    """

    accounts: tuple[Account, ...] = ()
    ever: Mapping[str, int] = field(default_factory=dict)
    homes: Mapping[str, int] = field(default_factory=dict)
    logins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """Names and ids that belong to an image's own users and groups."""

    names: frozenset[str] = frozenset()
    ids: frozenset[int] = frozenset()


def is_a_persons(uid: int) -> bool:
    """Whether a uid can be an account's, and is none of the images' own users."""
    return uid in UIDS and uid not in RESERVED


def check(name: str, uid: int | None) -> None:
    """Refuse what cannot be an account.

    Args:
        uid: None if any free one will do.

    Raises:
        AccountError: a name or a uid that must not be used.
    """
    if not NAME.fullmatch(name):
        raise AccountError(f"{name!r} is not the name of an account: use a-z, 0-9, _, - and dots.")
    if name in SYSTEM_NAMES:
        raise AccountError(f"{name!r} is a name of the system and cannot be an account's.")
    if uid is not None and not is_a_persons(uid):
        raise AccountError(f"The uid {uid} of {name} is taken or outside 1000..59999.")


def parse_passwd(text: str) -> list[Account]:
    """The accounts in the text of a passwd file (passwd(5))."""
    rows = [line.split(":") for line in text.splitlines()]
    rows = [row for row in rows if len(row) == 7 and is_number(row[2])]
    return [Account(row[0], int(row[2]), row[5]) for row in rows]


def system_of(text: str) -> System:
    """Names and ids in the texts of passwd and group files (passwd(5), group(5))."""
    rows = [line.split(":") for line in text.splitlines()]
    rows = [row for row in rows if len(row) in (4, 7) and is_number(row[2])]
    return System(frozenset(row[0] for row in rows), frozenset(int(row[2]) for row in rows))


def parse_ever(text: str) -> dict[str, int]:
    """Names and uids, one ``NAME UID`` a line."""
    rows = [line.split(" ") for line in text.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and is_number(row[1])}


def ever_text(ever: Mapping[str, int]) -> str:
    """The text that :func:`parse_ever` reads."""
    return "".join(f"{name} {uid}\n" for name, uid in ever.items())


def parse_logins(text: str) -> dict[str, str]:
    """Names and logins, one ``NAME LOGIN`` a line."""
    rows = [line.split(" ") for line in text.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2 and all(row)}


def logins_text(logins: Mapping[str, str]) -> str:
    """The text that :func:`parse_logins` reads."""
    return "".join(f"{name} {login}\n" for name, login in logins.items())


def passwd_text(accounts: Iterable[Account]) -> str:
    """A passwd file (passwd(5))."""
    return "".join(f"{a.name}:x:{a.uid}:{a.uid}::{a.home}:/bin/bash\n" for a in accounts)


def group_text(accounts: Iterable[Account]) -> str:
    """The group file beside it (group(5)): each account has a group of its own."""
    return "".join(f"{a.name}:x:{a.uid}:\n" for a in accounts)


def is_number(text: str) -> bool:
    """Whether a text can be an id."""
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS


def with_uids(
    wanted: Mapping[str, int | None],
    book: Book,
    system: System = System(),
    logins: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """New accounts with a uid each; those that are known already are left out.

    Args:
        wanted: names, and uids where they are to be certain ones.
        logins: whose accounts they are to be, where that is known. An account that is or was
            another's is refused, also if it is there already.

    Raises:
        AccountsRefused: names or uids that must not be used, or homes that are another's.
        AccountError: no uid is left.
    """
    there = {account.name for account in book.accounts}
    ever = {**{account.name: account.uid for account in book.accounts}, **book.ever}
    owners = {uid: name for name, uid in ever.items()}
    found: dict[str, int | None] = {}
    refused: dict[str, str] = {}
    for name, uid in wanted.items():
        try:
            if logins and name in logins and (name in ever or name in book.logins):
                _check_login(name, logins[name], book.logins.get(name, name))
            if name not in there:
                check(name, uid)
                _check_name(name, ever, system)
                own = _decided(name, uid, ever, owners, book.homes, system)
                check(name, own)
                found[name] = own
        except AccountError as error:
            refused[name] = str(error)
    if refused := refused | _of_one_uid(found):
        raise AccountsRefused(refused)
    fixed = [uid for uid in found.values() if uid is not None]
    taken = {*owners, *fixed, *book.homes.values(), *system.ids, *RESERVED}
    free = (uid for uid in range(FIRST_FREE, UIDS.stop) if uid not in taken)
    try:
        return {name: next(free) if uid is None else uid for name, uid in found.items()}
    except StopIteration:
        raise AccountError("No free uid is left.") from None


def _of_one_uid(found: Mapping[str, int | None]) -> dict[str, str]:
    """Who is to have the uid that somebody else is to have, too."""
    names: dict[int, list[str]] = {}
    for name, uid in found.items():
        if uid is not None:
            names.setdefault(uid, []).append(name)
    return {
        name: f"{ones[0]} and {ones[1]} have the same uid {uid}."
        for uid, ones in names.items()
        for name in ones
        if len(ones) > 1
    }


def _check_login(name: str, login: str, owner: str) -> None:
    if not people.same(login, owner):
        raise AccountError(f"The account {name!r} is or was {owner}'s, not {login}'s.")


def _check_name(name: str, ever: Mapping[str, int], system: System) -> None:
    if name in system.names:
        raise AccountError(f"{name!r} is a name of the system and cannot be an account's.")
    alike = next((each for each in ever if each.casefold() == name.casefold()), name)
    if alike != name:
        raise AccountError(f"{name!r} differs from the account {alike!r} only in capital letters.")


def _decided(
    name: str, uid: int | None, ever: Mapping[str, int], owners: Mapping[int, str],
    homes: Mapping[str, int], system: System,
) -> int | None:  # fmt: skip
    """The uid that one new account must have; None if any free one will do."""
    before, owner = ever.get(name), homes.get(name)
    if uid is not None and before is not None and uid != before:
        raise AccountError(f"{name} had the uid {before} before and keeps it.")
    decided = uid if before is None else before
    if decided is None and owner is not None and is_a_persons(owner):
        decided = owner  # somebody of that name was here before this was written down
    if owner not in (None, decided):
        raise AccountError(f"The folder /home/{name} belongs to the uid {owner}, not to {name}.")
    if decided is None:
        return None
    if owners.get(decided, name) != name:
        raise AccountError(f"The uid {decided} of {name} is or was {owners[decided]}'s.")
    if decided in system.ids:
        raise AccountError(f"The uid {decided} of {name} is the system's.")
    other = next((each for each, owner in homes.items() if owner == decided and each != name), None)
    if other is not None:
        raise AccountError(f"The uid {decided} of {name} already owns the folder /home/{other}.")
    return decided
