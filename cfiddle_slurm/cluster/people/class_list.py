"""Class lists as universities have them: whose accounts a file asks for, and what is wrong in it.

Pure but for :func:`read`, which opens the file.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cfiddle_slurm.cluster.people import logins, sheets
from cfiddle_slurm.cluster.people.account_book import AccountError, check, is_number
from cfiddle_slurm.cluster.people.logins import LoginError
from cfiddle_slurm.cluster.people.sheets import Row

# The first of these that a file has is taken, written with whatever capitals, blanks and signs.
# `ID`, `Student ID` and `SIS User ID` are no logins: they must be asked for.
_LOGINS = """
    SIS Login ID; Login ID; Login; Login name; Username; User name; Net ID; Unique name; Unix
    name; Account; Account name; Kerberos; Logins; Usernames; Net IDs; Accounts; Benutzername;
    Nutzername; Anmeldename; Kennung; Nutzerkennung; Benutzerkennung; Identifiant; Nom
    d'utilisateur; Usuario; Nombre de usuario; Nome utente; Gebruikersnaam; Brukernavn;
    Brugernavn; Användarnamn; Nome de usuário
"""
_NAMES = "Name; Names"
_ADDRESSES = """
    Email address; Email; E-mail; Mail; E-Mail-Adresse; Email addresses; Adresse de courriel;
    Adresse e-mail; Dirección de correo; Correo electrónico; Indirizzo email; E-mailadres
"""
_UID = "uid"
_NOBODYS = frozenset(["points possible", "manual posting", "student, test", "test student"])
"""What Canvas writes in rows that are no student's."""
_HEADINGS_WITHIN = 20
_MOST_TOLD = 100
_SHOWN = 40


def _plain(heading: str) -> str:
    return re.sub(r"[\W_]+", "", heading.casefold())


_KNOWN = {
    _plain(one): place for place, one in enumerate(f"{_LOGINS};{_NAMES};{_ADDRESSES}".split(";"))
}


@dataclass(frozen=True)
class Entry:
    """A person of the list.

    Attributes:
        name: the account's.
        login: as the list has it.
        lines: where in the file.
    """

    name: str
    login: str
    uid: int | None
    lines: tuple[int, ...]


@dataclass(frozen=True)
class ClassList:
    """What a file asks for.

    Attributes:
        column: which one has the logins, in words.
        entries: who is to have an account; one for each.
        bad: line numbers, with what is wrong there.
        left_out: rows that are no student's.
        headed: whether the file has headings.
    """

    column: str
    entries: tuple[Entry, ...] = ()
    bad: tuple[tuple[int, str], ...] = ()
    left_out: int = 0
    headed: bool = True

    @property
    def wanted(self) -> dict[str, int | None]:
        """Accounts' names, and uids where they are to be certain ones."""
        return {one.name: one.uid for one in self.entries}

    @property
    def logins(self) -> dict[str, str]:
        """Logins by account."""
        return {one.name: one.login for one in self.entries}

    def without(self, refused: Mapping[str, str]) -> "ClassList":
        """The same without accounts that were refused, whose lines are bad then.

        Args:
            refused: why, by the account's name.
        """
        stay = tuple(one for one in self.entries if one.name not in refused)
        more = ((n, refused[e.name]) for e in self.entries if e.name in refused for n in e.lines)
        return replace(self, entries=stay, bad=tuple(sorted({*self.bad, *more})))

    @property
    def summary(self) -> str:
        """What was found, for people."""
        text = f"{_counted(len(self.entries), 'name')} from {self.column}."
        if not self.headed and self.entries:  # it may be a heading that nobody knows
            text = f"{text[:-1]}; the first is {self.entries[0].login!r}."
        if self.left_out:
            text += f" {_counted(self.left_out, 'line')} of Canvas's own left out."
        other = [one for one in self.entries if one.login != one.name]
        if other:
            text += f" {other[0].login}'s account is {other[0].name}"
            text += f", and {len(other)} accounts differ from their logins." if other[1:] else "."
        return text

    @property
    def complaint(self) -> str:
        """The bad lines, one a line."""
        told = [f"  line {number}: {why}" for number, why in self.bad[:_MOST_TOLD]]
        left = len(self.bad) - len(told)
        return "\n".join([*told, *([f"  and {left} more"] if left else [])])


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def read(path: Path, column: str | None = None) -> ClassList:
    """The class list in a file.

    Args:
        column: the heading of the column with the logins, or its number; without it, it is found.

    Raises:
        AccountError: it is no class list, or it is not clear which column is meant.
    """
    try:
        with path.open("rb") as stream:
            return parse(stream.read(sheets.LARGEST + 1), column)
    except OSError as error:
        raise AccountError(f"{path} cannot be read: {error}.") from error
    except AccountError as error:
        raise AccountError(f"{path} cannot be used: {error}") from error


def parse(raw: bytes, column: str | None = None) -> ClassList:
    """The class list in the bytes of a file; see :func:`read`."""
    column = column.strip() if column else None

    def place(cells: Sequence[str]) -> int | None:
        return _place(cells, column)

    rows = sheets.rows_of(sheets.text_of(raw), lambda cells: place(cells) is not None)
    for at, row in enumerate(rows[:_HEADINGS_WITHIN]):
        login = place(row.cells)
        # Above the headings may be a title; but a name alone in its line is a name.
        if login is not None and (at == 0 or sum(map(bool, row.cells)) > 1):
            headings = [cell.casefold() for cell in row.cells]
            uid = headings.index(_UID) if _UID in headings else None
            said = f"the column {row.cells[login][:_SHOWN]!r}"
            return _list(said, rows[at + 1 :], login, None if uid == login else uid)
    if column is not None and not (is_number(column) and int(column)):
        raise AccountError(f"there is no column {column[:_SHOWN]!r}{_which(rows)}.")
    if column is not None:
        found = _list(f"column {int(column)}", rows, int(column) - 1, None)
        return replace(found, headed=False)
    rows = [row for row in rows if not row.cells[0].startswith("#")]
    if rows and not _is_plain(rows[0]):
        raise AccountError(
            f"which column has the logins?{_which(rows)[1:]}. Say it with --column, by its"
            " heading, or by its number if the file has no headings."
        )
    return replace(_list("a list without headings", rows, 0, 1), headed=False)


def _place(cells: Sequence[str], column: str | None) -> int | None:
    """Which of these cells is the heading of the logins."""
    plain = [_plain(cell) for cell in cells]
    if column is not None and not is_number(column):
        return plain.index(_plain(column)) if _plain(column) in plain else None
    known = [heading for heading in plain if heading in _KNOWN]
    if not known or column is None:
        return plain.index(min(known, key=_KNOWN.__getitem__)) if known else None
    return int(column) - 1 if 0 < int(column) <= len(plain) else None


def _which(rows: Sequence[Row]) -> str:
    cells = [cell[:_SHOWN] for cell in rows[0].cells if cell][:_HEADINGS_WITHIN] if rows else []
    return f"; line {rows[0].line} has {', '.join(map(repr, cells))}" if cells else ""


def _is_plain(row: Row) -> bool:
    """Whether a file's first row is a name and perhaps a uid, and no line of headings."""
    uid, *others = [*row.cells[1:], ""]
    return (not uid or is_number(uid)) and not any(others)


def _list(column: str, rows: Iterable[Row], login: int, uid: int | None) -> ClassList:
    """The rows below the headings, judged one by one and then beside each other."""
    found: list[Entry] = []
    bad: list[tuple[int, str]] = []
    left_out = 0
    for row in rows:
        if _is_nobodys(row, login):
            left_out += 1
            continue
        try:
            found.append(_entry(row, login, uid))
        except (LoginError, AccountError) as error:
            bad.append((row.line, str(error)))
    if not found and not bad:
        raise AccountError("it lists no accounts.")
    by_name: dict[str, list[Entry]] = {}
    for one in found:
        by_name.setdefault(one.name, []).append(one)
    clashes = {name: why for name, ones in by_name.items() if (why := _clash(ones))}
    merged = [_merged(ones) for ones in by_name.values()]
    clashes |= _of_one_uid(one for one in merged if one.name not in clashes)
    judged = ClassList(column, tuple(merged), tuple(bad), left_out)
    return judged.without(clashes)


def _is_nobodys(row: Row, login: int) -> bool:
    has_login = any(row.cells[login : login + 1])
    cells = row.cells[:1] if has_login else row.cells
    return any(cell.casefold() in _NOBODYS for cell in cells)


def _entry(row: Row, login: int, uid: int | None) -> Entry:
    # Brightspace writes #jdoe, so that no spreadsheet takes it for a number.
    said = row.cells[login].removeprefix("#") if login < len(row.cells) else ""
    if not said:
        raise AccountError("there is no login.")
    name = logins.account_name(said)
    number = row.cells[uid] if uid is not None and uid < len(row.cells) else ""
    if number and not is_number(number):
        raise AccountError(f"{number[:_SHOWN]!r} is not a uid.")
    entry = Entry(name, said, int(number) if number else None, (row.line,))
    check(name, entry.uid)
    return entry


def _clash(ones: Sequence[Entry]) -> str:
    """Why lines that give the same account are not one person's; nothing if they are."""
    known: dict[str, Entry] = {}
    domains: dict[str, Entry] = {}
    uids: dict[int, Entry] = {}
    for one in ones:
        local, domain = logins.key(one.login)
        known.setdefault(local, one)
        if domain:
            domains.setdefault(domain, one)
        if one.uid is not None:
            uids.setdefault(one.uid, one)
    for different in (known, domains):
        if len(different) > 1:
            told = " and ".join(
                f"{e.login!r} (line {e.lines[0]})" for e in [*different.values()][:2]
            )
            return f"{told} would both be the account {ones[0].name!r}."
    if len(uids) > 1:
        told = " and ".join(f"{uid} (line {one.lines[0]})" for uid, one in [*uids.items()][:2])
        return f"{ones[0].login!r} has two uids: {told}."
    return ""


def _merged(ones: Sequence[Entry]) -> Entry:
    """One entry of one person's lines, with the login that says most."""
    login = next((one.login for one in ones if "@" in one.login), ones[0].login)
    uid = next((one.uid for one in ones if one.uid is not None), None)
    return replace(ones[0], login=login, uid=uid, lines=tuple(n for one in ones for n in one.lines))


def _of_one_uid(entries: Iterable[Entry]) -> dict[str, str]:
    """Who wants the uid that somebody else wants, too."""
    by_uid: dict[int, list[Entry]] = {}
    for one in entries:
        if one.uid is not None:
            by_uid.setdefault(one.uid, []).append(one)
    return {
        one.name: f"{ones[0].name} (line {ones[0].lines[0]}) and {ones[1].name} (line"
        f" {ones[1].lines[0]}) have the same uid {uid}."
        for uid, ones in by_uid.items()
        for one in ones
        if len(ones) > 1
    }
