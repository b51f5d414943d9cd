"""The files on the shared home with the accounts; run by root, in a container.

``account_program add``: standard input is JSON, see :func:`main`; ``judge``: the same, and nothing
is changed. ``remove NAME``: the home stays. ``purge NAME``: the home of one that is no account any
more goes. ``list``, ``ever``: the files. ``logins``: whose account is whose. ``usage``: bytes by
account.
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cfiddle_slurm import process
from cfiddle_slurm.cluster.people import account_book
from cfiddle_slurm.cluster.people.account_book import (
    Account,
    AccountError,
    AccountsRefused,
    Book,
    System,
)

REFUSED = 3
"""The exit status when standard error has a sentence for people."""
NO_COMMAND = 2
EACH_REFUSED = 4
"""The exit status when standard output has one for each account, by name, as JSON."""
_USAGE_SECONDS = 120.0
_PURGE_SECONDS = 280.0


class Files:
    """The accounts' files below a folder that is /home for all."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._folder = home / ".accounts"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes them meanwhile. Root's alone: whoever can open a file can lock it."""
        self._folder.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def text(self, name: str) -> str:
        """One of the files; it may be missing."""
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def book(self) -> Book:
        """What they say."""
        accounts = account_book.parse_passwd(self.text("passwd"))
        ever = account_book.parse_ever(self.text("ever"))
        ever |= {account.name: account.uid for account in accounts}
        homes = {
            entry.name: entry.stat(follow_symlinks=False).st_uid
            for entry in os.scandir(self.home)
            if not entry.name.startswith(".") and entry.name != "lost+found"
        }
        logins = account_book.parse_logins(self.text("logins"))
        return Book(tuple(accounts), ever, homes, logins)

    def add(
        self,
        wanted: Mapping[str, int | None],
        system: System,
        logins: Mapping[str, str] | None = None,
    ) -> dict[str, int]:
        """Add what is missing; who ever had a uid is written down before anybody has it.

        Raises:
            AccountError: they cannot be added; then none is.
        """
        with self.locked():
            book = self.book()
            new = account_book.with_uids(wanted, book, system, logins)
            other = {name: login for name, login in (logins or {}).items() if login != name}
            if other:  # only root reads it: a login may be an address
                text = account_book.logins_text({**other, **book.logins})
                self._write("logins", text, mode=0o600)
            self._write("ever", account_book.ever_text({**book.ever, **new}), mode=0o600)
            accounts = [*book.accounts, *(Account(n, u, f"/home/{n}") for n, u in new.items())]
            for account in accounts:
                if account.name in wanted:
                    self._make_home(account)
            self._write_accounts(accounts)
            return new

    def remove(self, name: str) -> None:
        """An account is none any more; that it was one stays known."""
        with self.locked():
            book = self.book()
            self._write("ever", account_book.ever_text(book.ever), mode=0o600)
            self._write_accounts([each for each in book.accounts if each.name != name])

    def purge(self, name: str) -> None:
        """Remove the home of one that is no account any more.

        Raises:
            AccountError: it is still one, or the folder is not its own.
        """
        book = self.book()
        if name not in book.ever or name in {each.name for each in book.accounts}:
            raise AccountError(f"{name!r} is still an account or never was one: its home stays.")
        if name not in book.homes:
            return
        if book.homes[name] != book.ever[name]:
            raise AccountError(f"The folder /home/{name} is not {name}'s: it stays.")
        process.check(["rm", "-rf", "--", str(self.home / name)], timeout=_PURGE_SECONDS)

    def usage(self) -> dict[str, int]:
        """Bytes of each home that could be counted in time; links lead nowhere."""
        try:
            done = process.run(
                ["du", "--summarize", "--one-file-system", "--no-dereference", "--block-size=1",
                 "--null", "--", *(str(self.home / each.name) for each in self.book().accounts)],
                timeout=_USAGE_SECONDS,
            )  # fmt: skip
        except process.ProcessError:
            return {}
        rows = [row.partition("\t") for row in done.stdout.split("\0") if row]
        return {
            Path(place).name: int(size) for size, _, place in rows if account_book.is_number(size)
        }

    def _make_home(self, account: Account) -> None:
        home = self.home / account.name
        if home.is_dir():
            return
        # By rename: no moment at which it is there and root's.
        made = self._folder / f".home-{account.name}"
        made.mkdir(mode=0o700, exist_ok=True)
        os.chown(made, account.uid, account.uid)
        made.rename(home)

    def _write_accounts(self, accounts: list[Account]) -> None:
        # The group first: an account's group is known whenever the account is.
        self._write("group", account_book.group_text(accounts), mode=0o644)
        self._write("passwd", account_book.passwd_text(accounts), mode=0o644)

    def _write(self, name: str, text: str, *, mode: int) -> None:
        """By rename: a reader sees the old file or the new one, also after the power went."""
        if self.text(name) == text and (self._folder / name).exists():
            return
        part = self._folder / f".{name}.part"
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, mode)
        part.replace(self._folder / name)


def _told(files: Files, word: str) -> str:
    """What one of the commands that change nothing prints."""
    match word:
        case "list":
            return files.text("passwd")
        case "ever":
            return account_book.ever_text(files.book().ever)
        case "logins":
            return json.dumps(files.book().logins)
        case _:
            return json.dumps(files.usage())


def _add(files: Files, told: dict[str, Any], *, really: bool) -> None:
    system = System(frozenset(told["names"]), frozenset(told["ids"]))
    if really:
        print(json.dumps(files.add(told["wanted"], system, told["logins"])))
    else:
        account_book.with_uids(told["wanted"], files.book(), system, told["logins"])


def main(words: list[str], home: Path = Path("/home")) -> int:
    """Carry out one command.

    ``add`` reads ``{"wanted": {NAME: UID or null, ...}, "logins": {NAME: LOGIN, ...}, "names":
    [...], "ids": [...]}``, the latter two being the images' own, and prints the new accounts with
    their uids as JSON.
    """
    os.umask(0o022)
    files = Files(home)
    try:
        match words:
            case ["add" | "judge" as word]:
                _add(files, json.load(sys.stdin), really=word == "add")
            case ["remove", name]:
                files.remove(name)
            case ["purge", name]:
                files.purge(name)
            case ["list" | "ever" | "logins" | "usage" as word]:
                print(_told(files, word), end="")
            case _:
                known = "add|judge|remove|purge|list|ever|logins|usage"
                print(f"usage: accounts {known}", file=sys.stderr)
                return NO_COMMAND
    except AccountsRefused as error:
        print(json.dumps(error.why))
        return EACH_REFUSED
    except AccountError as error:
        print(error, file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
