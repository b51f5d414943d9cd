"""The accounts' files, as the program on the head changes them."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.cluster.people import account_program, class_list
from cfiddle_slurm.cluster.people.account_book import System
from cfiddle_slurm.cluster.people.account_program import Files


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Owners of the homes, which only root could give them."""
    known: dict[str, int] = {}
    monkeypatch.setattr(
        os, "chown", lambda place, uid, _: known.update({Path(place).name[6:]: uid})
    )
    book = Files.book
    monkeypatch.setattr(Files, "book", lambda self: _with_owners(book(self), known))
    return known


@pytest.fixture
def home(tmp_path: Path, owners: dict[str, int]) -> Path:
    return tmp_path


def _with_owners(book: Any, known: dict[str, int]) -> Any:
    return type(book)(
        book.accounts, book.ever, {n: known.get(n, 0) for n in book.homes}, book.logins
    )  # fmt: skip


def add(home: Path, monkeypatch: pytest.MonkeyPatch, **wanted: int | None) -> int:
    return ask("add", home, monkeypatch, wanted, {})


def ask(
    word: str, home: Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, int | None],
    logins: dict[str, str],
) -> int:  # fmt: skip
    told = {"wanted": wanted, "logins": logins, "names": ["statd"], "ids": []}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(told)))
    return account_program.main([word], home)


def test_a_term_later_everybody_is_who_he_was(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(home, monkeypatch, ann=None) == 0
    assert account_program.main(["remove", "ann"], home) == 0
    assert add(home, monkeypatch, bob=None) == 0
    assert add(home, monkeypatch, ann=None) == 0
    new = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert new == [{"ann": 1100}, {"bob": 1101}, {"ann": 1100}]
    assert account_program.main(["list"], home) == 0
    assert account_program.main(["ever"], home) == 0
    assert capsys.readouterr().out == (
        "bob:x:1101:1101::/home/bob:/bin/bash\nann:x:1100:1100::/home/ann:/bin/bash\n"
        "ann 1100\nbob 1101\n"
    )
    assert (home / ".accounts/group").read_text() == "bob:x:1101:\nann:x:1100:\n"
    assert (home / "ann").stat().st_mode & 0o777 == 0o700
    assert (home / ".accounts/ever").stat().st_mode & 0o777 == 0o600
    assert (home / ".accounts/lock").stat().st_mode & 0o777 == 0o600
    assert (home / ".accounts/passwd").stat().st_mode & 0o777 == 0o644


def test_accounts_of_before_the_book_are_in_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".accounts").mkdir()
    (home / ".accounts/passwd").write_text("ann:x:1100:1100::/home/ann:/bin/bash\n")
    assert account_program.main(["remove", "ann"], home) == 0
    assert (home / ".accounts/ever").read_text() == "ann 1100\n"
    assert add(home, monkeypatch, bob=1100) == account_program.EACH_REFUSED


def test_anothers_folder_is_nobodys_home(
    home: Path,
    owners: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (home / "ann").mkdir()
    owners["ann"] = 0
    assert add(home, monkeypatch, bob=None, ann=None) == account_program.EACH_REFUSED
    why = "The folder /home/ann belongs to the uid 0, not to ann."
    assert json.loads(capsys.readouterr().out) == {"ann": why}
    assert not (home / "bob").exists() and not (home / ".accounts/passwd").exists()


@pytest.mark.parametrize(("word", "said"), [("list", ""), ("ever", ""), ("logins", "{}")])
def test_who_only_asks_leaves_nothing_behind(
    home: Path, capsys: pytest.CaptureFixture[str], word: str, said: str
) -> None:
    assert account_program.main([word], home) == 0
    assert capsys.readouterr().out == said
    assert list(home.iterdir()) == []


def test_a_login_is_remembered_whatever_becomes_of_the_account(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class_of_a_term = {"obrien": "O'Brien", "muller": "m\u00fcller", "ann": "ann"}
    wanted: dict[str, int | None] = dict.fromkeys(class_of_a_term)
    assert ask("judge", home, monkeypatch, wanted, class_of_a_term) == 0
    assert list(home.iterdir()) == [] and capsys.readouterr().out == ""
    assert ask("add", home, monkeypatch, wanted, class_of_a_term) == 0
    assert account_program.main(["remove", "obrien"], home) == 0
    assert ask("add", home, monkeypatch, {"muller": None}, {"muller": "M\u00fcller"}) == 0
    capsys.readouterr()
    assert account_program.main(["logins"], home) == 0
    told = capsys.readouterr().out
    assert told.isascii() and json.loads(told) == {"obrien": "O'Brien", "muller": "m\u00fcller"}
    assert (home / ".accounts/logins").stat().st_mode & 0o777 == 0o600
    for word in ("judge", "add"):
        others = {"obrien": "obrien", "muller": "muller", "ann": "ann"}
        assert ask(word, home, monkeypatch, dict.fromkeys(others), others) == 4
        assert list(json.loads(capsys.readouterr().out)) == ["obrien", "muller"]
    assert ask("add", home, monkeypatch, {"obrien": None}, {"obrien": "o'brien"}) == 0
    assert json.loads(capsys.readouterr().out) == {"obrien": 1100}


def test_a_list_gives_the_same_accounts_again_in_whatever_order(home: Path) -> None:
    files = Files(home)
    lines = ["12345678", "O'Brien", "jane.doe@a.edu", "J-Doe", "jovanovi\u0107"]
    term = class_list.parse("\n".join(["Login", *lines]).encode())
    new = files.add(term.wanted, System(), term.logins)
    assert list(new) == ["u12345678", "obrien", "jane.doe", "j-doe", "jovanovic"]
    again = class_list.parse("\n".join(["new", *map(str.upper, reversed(lines))]).encode())
    assert list(files.add(again.wanted, System(), again.logins)) == ["new"]
    assert {account.name: account.uid for account in files.book().accounts}.items() > new.items()


def test_a_home_in_the_making_is_none_of_the_files(home: Path) -> None:
    # `.passwd.part` is where the list of accounts is written before it takes its place.
    files = Files(home)
    made = ["passwd.part", "limits.toml", "home-a"]
    (home / ".accounts").mkdir()
    for name in made:
        (home / ".accounts" / f".home-{name}").mkdir()
    assert list(files.add(dict.fromkeys(made), System())) == made
    assert sorted(each.name for each in home.iterdir()) == [".accounts", *sorted(made)]


def test_a_home_that_was_begun_is_finished(home: Path, owners: dict[str, int]) -> None:
    files = Files(home)
    (home / ".accounts/.home-ann").mkdir(parents=True)
    assert files.add({"ann": None}, System()) == {"ann": 1100}
    assert (home / "ann").is_dir() and owners == {"ann": 1100}


def test_a_crash_between_the_files_loses_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(home)
    write = Files._write

    def crash_at(name: str) -> None:
        def crashing(self: Files, which: str, text: str, *, mode: int) -> None:
            if which == name:
                raise KeyboardInterrupt
            write(self, which, text, mode=mode)

        monkeypatch.setattr(Files, "_write", crashing)

    given = set()
    for name in ("ever", "group", "passwd"):
        crash_at(name)
        with pytest.raises(KeyboardInterrupt):
            files.add({name[:1] + "x": None}, System())
        monkeypatch.setattr(Files, "_write", write)
        given.add(files.add({name[:1] + "x": None}, System())[name[:1] + "x"])
    assert given == {1100, 1101, 1102}
    assert [account.name for account in files.book().accounts] == ["ex", "gx", "px"]


def test_a_home_is_purged_when_nobody_has_it(home: Path, owners: dict[str, int]) -> None:
    files = Files(home)
    files.add({"ann": None, "bob": None}, System())
    (home / "ann" / "link").symlink_to(home / "bob")
    assert account_program.main(["purge", "ann"], home) == account_program.REFUSED
    files.remove("ann")
    owners["ann"] = 1101
    assert account_program.main(["purge", "ann"], home) == account_program.REFUSED
    owners["ann"] = 1100
    assert account_program.main(["purge", "ann"], home) == 0
    assert not (home / "ann").exists() and (home / "bob").exists()
    assert account_program.main(["purge", "ann"], home) == 0
    assert account_program.main(["purge", "../x"], home) == account_program.REFUSED


def test_bytes_are_counted_without_following_links(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Files(home).add({"ann": None, "bob": None}, System())
    (home / "bob" / "data").write_bytes(b"x" * 100_000)
    (home / "ann" / "link").symlink_to(home / "bob")
    assert account_program.main(["usage"], home) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ann"] < 50_000 < 100_000 <= found["bob"]


def test_what_is_no_command_is_told(home: Path) -> None:
    assert account_program.main([], home) == 2
    assert account_program.main(["remove"], home) == 2


ONE = """
import os, sys
from pathlib import Path
from cfiddle_slurm.cluster.people.account_program import Files, System
os.chown = lambda *_: None
made = Files(Path(sys.argv[1])).add({f"u{sys.argv[2]}{n}": None for n in range(5)}, System())
print(*made.values())
"""


def test_several_at_once_give_no_uid_twice(tmp_path: Path) -> None:
    # The homes are this account's, whose uid no student has.
    programs = [
        subprocess.Popen([sys.executable, "-c", ONE, str(tmp_path), letter], stdout=subprocess.PIPE)
        for letter in "abcdef"
    ]
    uids = [uid for program in programs for uid in program.communicate()[0].split()]
    assert len(uids) == len(set(uids)) == 30
    assert len(Files(tmp_path).book().accounts) == 30
