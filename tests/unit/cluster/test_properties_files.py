"""Files that an administrator writes: whatever is in them, they are taken or a sentence is said."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cfiddle_slurm import tables
from cfiddle_slurm.cluster.people import account_book, class_list, logins
from cfiddle_slurm.cluster.people.account_book import Account, AccountError, Book, System, with_uids
from cfiddle_slurm.cluster.people.logins import LoginError
from cfiddle_slurm.cluster.site import config
from cfiddle_slurm.cluster.site.config import Config, ConfigError
from cfiddle_slurm.sandbox.policy import Policy

KEYS = st.sampled_from(sorted(tables.keys(Config))) | st.text("abc-_", min_size=1, max_size=4)
STRINGS = st.text(max_size=8) | st.sampled_from(
    ["local", "w1", "nfs", "bind", "volume", "auto", "/srv", "-oProxyCommand=x", "10.0.0.1", "a\nb"]
)
VALUES = st.sampled_from(
    ["0", "8888", "true", "1e999", "nan", "0x" + "f" * 5000, "9" * 5000, "[]", "[[]]", "{}",
     "{apt = ['g++'], pip = []}", "{memory = '1GiB'}", "{memory = 0x" + "f" * 5000 + "}",
     "{wall_seconds = 1, cores = '0'}", "1979-05-27", "[" * 3000, "'''"]
) | STRINGS.map(json.dumps) | st.lists(STRINGS.map(json.dumps), max_size=3).map(
    lambda texts: f"[{', '.join(texts)}]"
)  # fmt: skip
LINES = st.lists(st.builds("{} = {}".format, KEYS, VALUES), max_size=4).map("\n".join)


def cluster_or_a_sentence(raw: bytes) -> Config | None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cluster.toml")
        file.write_bytes(raw)
        try:
            found = config.load(file)
        except ConfigError as error:
            assert str(file) in str(error) and len(str(error)) < 6000
            return None
    assert isinstance(found, Config)
    return found


@given(st.text(max_size=60) | LINES)
@example("jupyter_port = " + "9" * 5000)
@example("jupyter_port = 0x" + "f" * 5000)
@example("workers = " + "[" * 3000)
@example("[sandbox]\nmemory = 0x" + "f" * 5000)
@example("[sandbox]\nwall_seconds = 0x" + "f" * 5000)
def test_any_text_is_a_cluster_or_a_sentence(text: str) -> None:
    found = cluster_or_a_sentence(text.encode(errors="replace"))
    if found is None:
        return
    assert isinstance(found.policy, Policy)
    assert not any(one.startswith("-") for one in found.machines)
    assert len(set(found.machines)) == len(found.machines)
    assert found.home != "volume" or not found.workers
    assert 1 <= found.jupyter_port <= 65535
    assert found.policy.memory < 1 << 63


@given(st.binary(max_size=60))
def test_any_file_is_a_cluster_or_a_sentence(raw: bytes) -> None:
    cluster_or_a_sentence(raw)


CELLS = st.text(max_size=5) | st.sampled_from(
    ["ann", "bob", "name", " Name ", "uid", "1200", "7000", "9" * 5000, "\u0663" * 4, "-1", '"',
     "\0", "SIS Login ID", "Username", "Ann@a.edu", "o'brien", "obrien", "#x", "\r",
     "Student, Test", "jane.doe", "j\u00e5n"]
)  # fmt: skip
ROWS = st.lists(
    st.tuples(st.sampled_from(",;\t"), st.lists(CELLS, max_size=3)).map(lambda r: r[0].join(r[1])),
    max_size=4,
).map("\n".join)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1"])
FILES = st.binary(max_size=60) | st.builds(
    lambda text, encoding: text.encode(encoding, "replace"), ROWS, ENCODINGS
)


@given(FILES, st.none() | st.sampled_from(["1", "2", "0", "9" * 5000, "uid", "Mail", "", "\u0663"]))
@example(b"ann," + b"9" * 5000, None)
@example(b'"' + b"a" * 200_000, None)
@example(b"\xff\xfe\0", None)
def test_any_class_list_is_accounts_or_a_sentence(raw: bytes, column: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "class.csv")
        file.write_bytes(raw)
        try:
            found = class_list.read(file, column)
        except AccountError as error:
            assert str(error).startswith(str(file)) and "\n" not in str(error)
            assert len(str(error)) < 3000
            return
    assert found.entries or found.bad
    assert len(found.wanted) == len(found.entries)
    told = {number for number, _ in found.bad}
    for one in found.entries:
        account_book.check(one.name, one.uid)
        assert logins.account_name(one.login) == one.name and not told & {*one.lines}
    assert account_book.parse_logins(account_book.logins_text(found.logins)) == found.logins
    uids = [uid for uid in found.wanted.values() if uid is not None]
    assert len({*uids}) == len(uids)


PEOPLES = st.lists(
    st.sampled_from(
        ["ann", "Ann", "ann@a.edu", "ann@b.edu", "o'brien", "obrien", "12", "u12", "J.Doe", "j.doe"]
    ),
    min_size=1,
)


@given(PEOPLES.flatmap(lambda names: st.tuples(st.just(names), st.permutations(names))))
def test_the_order_of_the_lines_decides_nothing(lists: tuple[list[str], list[str]]) -> None:
    one, other = (class_list.parse("\n".join(names).encode()) for names in lists)
    assert one.wanted == other.wanted
    assert {lists[0][n - 1] for n, _ in one.bad} == {lists[1][n - 1] for n, _ in other.bad}


@given(st.text(max_size=8), st.text(max_size=8))
def test_a_login_is_an_account_or_a_sentence(one: str, other: str) -> None:
    try:
        names = [logins.account_name(login) for login in (one, other)]
    except LoginError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return
    assert all(map(logins.NAME.fullmatch, names))
    assert len(one.split()) == 1
    assert logins.same(one, one) and (names[0] == names[1] or not logins.same(one, other))
    # What is an account's name already, is left as it is.
    assert logins.account_name(names[0]) == names[0]


FIELDS = st.text(max_size=4) | st.sampled_from(["ann", "x", "1100", "9" * 5000, "/home/ann"])


@given(st.lists(st.lists(FIELDS, min_size=5, max_size=8).map(":".join)).map("\n".join) | st.text())
def test_any_passwd_file_has_accounts_or_none(text: str) -> None:
    for account in account_book.parse_passwd(text):
        assert type(account.uid) is int and account.uid >= 0
        assert ":" not in account.name + account.home


NAMES = st.text("abc", min_size=1, max_size=3)
UIDS = st.integers(1095, 1105) | st.sampled_from([7000, 7101, 59999])
PEOPLE = st.dictionaries(NAMES, UIDS, max_size=6)
WANTED = st.dictionaries(NAMES, st.none() | UIDS, max_size=6)


def one_each(people: dict[str, int]) -> dict[str, int]:
    """Without those whose uid somebody before them has."""
    return {name: uid for uid, name in {uid: name for name, uid in people.items()}.items()}


@given(WANTED, PEOPLE.map(one_each), PEOPLE, st.sets(NAMES), st.sets(UIDS))
def test_a_new_accounts_uid_was_never_anothers(
    wanted: dict[str, int | None], ever: dict[str, int], homes: dict[str, int],
    gone: set[str], system: set[int],
) -> None:  # fmt: skip
    there = tuple(Account(n, u, f"/home/{n}") for n, u in ever.items() if n not in gone)
    book = Book(there, ever, homes)
    try:
        new = with_uids(wanted, book, System(frozenset(), frozenset(system)))
    except AccountError as error:
        assert str(error).endswith(".")
        return
    assert set(new) == set(wanted) - {account.name for account in there}
    assert len({*new.values()}) == len(new)
    for name, uid in new.items():
        account_book.check(name, uid)
        assert wanted[name] in (None, uid) and uid not in system
        assert all(other == name for other, had in ever.items() if had == uid)
        assert ever.get(name, uid) == uid and homes.get(name, uid) == uid
        assert all(other == name for other, owner in homes.items() if owner == uid)


@given(st.lists(st.tuples(WANTED, st.sets(NAMES)), max_size=5))
def test_over_the_terms_no_uid_has_two_names(
    terms: list[tuple[dict[str, int | None], set[str]]],
) -> None:
    accounts_, ever = dict[str, int](), dict[str, int]()
    for wanted, leave in terms:
        there = tuple(Account(n, u, f"/home/{n}") for n, u in accounts_.items())
        try:
            new = with_uids(wanted, Book(there, ever))
        except AccountError:
            new = {}
        for name, uid in new.items():
            assert ever.setdefault(name, uid) == uid
        accounts_ = {n: u for n, u in {**accounts_, **new}.items() if n not in leave}
        assert len({*ever.values()}) == len(ever)


@given(PEOPLE, st.text(max_size=20))
def test_what_is_written_down_is_read_again(people: dict[str, int], rubbish: str) -> None:
    assert account_book.parse_ever(account_book.ever_text(people)) == people
    listed = [Account(name, uid, f"/home/{name}") for name, uid in people.items()]
    assert account_book.parse_passwd(account_book.passwd_text(listed)) == listed
    for name, uid in account_book.parse_ever(rubbish).items():
        assert " " not in name and uid >= 0


@pytest.mark.parametrize("text", ["", "\u0663", "1" * 11])
def test_what_is_no_uid_is_told_and_not_counted(text: str) -> None:
    found = class_list.parse(f"name,uid\nann,{text}\n".encode())
    if text:
        ((line, why),) = found.bad
        assert line == 2 and why.endswith("is not a uid.")
    else:
        assert found.wanted == {"ann": None}
