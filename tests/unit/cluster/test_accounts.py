"""Accounts for the cluster's users."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.cluster import accounts
from cfiddle_slurm.cluster.accounts import TEST_ACCOUNTS, Account, AccountError
from cfiddle_slurm.cluster.machines import MachineError
from tests.unit.cluster.conftest import HEAD, Program


def test_each_account_is_a_line() -> None:
    assert accounts.lines({"ann": 1000, "b-2_x": 59999}) == "ann 1000\nb-2_x 59999\n"
    assert accounts.lines({}) == ""


@pytest.mark.parametrize(
    "name",
    ["", "Ann", "1st", "-rf", "a b", "a\n", "a:b", "root:x:0:0", "$(id)", "../a", "ünï", "a" * 33],
)
def test_what_is_no_name_of_an_account(name: str) -> None:
    with pytest.raises(AccountError, match="is not the name of an account"):
        accounts.lines({name: 1000})


@pytest.mark.parametrize("uid", [0, 1, 999, 60000, -1, 7000, 7101, 7102, 7103])
def test_uids_of_the_system_and_of_the_services_are_not_given_away(uid: int) -> None:
    with pytest.raises(AccountError, match=f"The uid {uid} of ann is taken or outside"):
        accounts.lines({"ann": uid})


def test_no_two_accounts_are_one() -> None:
    with pytest.raises(AccountError, match="same uid"):
        accounts.lines({"ann": 1000, "bob": 1000})


@given(st.dictionaries(st.text(max_size=8), st.integers(-10, 70000), max_size=4))
def test_any_accounts_are_clean_lines_or_a_sentence(wanted: dict[str, int]) -> None:
    try:
        text = accounts.lines(wanted)
    except AccountError as error:
        assert str(error).endswith(".")
        return
    assert {name: int(uid) for name, uid in (line.split(" ") for line in text.splitlines())} == (
        wanted
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "class.csv"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ann\nbob\n", {"ann": None, "bob": None}),
        ("ann,1200\nbob, \n", {"ann": 1200, "bob": None}),
        ("name,uid\nann,1200\n", {"ann": 1200}),
        ("UID, Name ,mail\n1200,ann,a@x\n,bob,b@x\n", {"ann": 1200, "bob": None}),
        ("mail,name\na@x,ann\n", {"ann": None}),
        ("\ufeffname,uid\r\nann,\r\n", {"ann": None}),  # as a spreadsheet's program writes it
        ("\ufeffann\n", {"ann": None}),
        ('"ann","1200"\n\n,\nbob\n', {"ann": 1200, "bob": None}),
    ],
)
def test_accounts_in_a_file(file: Path, text: str, wanted: dict[str, int | None]) -> None:
    file.write_text(text, encoding="utf-8")
    assert accounts.read_csv(file) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ann\nbob\nann\n", "line 3: 'ann' comes twice"),
        ("name\nann\nAnn\n", "line 3: 'Ann' is not the name of an account"),
        ("ann,x\n", "line 1: 'x' is not a uid"),
        ("ann,-1\n", "line 1: '-1' is not a uid"),
        ("ann,0\n", "line 1: The uid 0 of ann is taken or outside"),
        ("ann,7000\n", "line 1: The uid 7000 of ann is taken"),
        ("name,uid\n,1200\n", "line 2: '' is not the name of an account"),
        ("ann;1200\n", "line 1: 'ann;1200' is not the name"),
        ("", "names no account"),
        ("name,uid\n", "names no account"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(AccountError, match=re.escape(words)) as caught:
        accounts.read_csv(file)
    assert str(caught.value).startswith(str(file))


def test_files_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(AccountError, match="cannot be read"):
        accounts.read_csv(file)
    file.write_bytes(b"ann\xff\n")
    with pytest.raises(AccountError, match="cannot be read"):
        accounts.read_csv(file)


ENTRIES = (
    "ann:x:1100:1100::/home/ann:/bin/bash\n\nshort:x:1\nbob:x:1102:1102:B o b:/home/bob:/bin/sh\n"
)
KNOWN = [Account("ann", 1100, "/home/ann"), Account("bob", 1102, "/home/bob")]


def test_accounts_in_a_passwd_file() -> None:
    assert accounts.parse_passwd(ENTRIES) == KNOWN
    assert accounts.parse_passwd("eve:x:one:1::/home/eve:/bin/sh\n") == []
    assert accounts.parse_passwd("") == []


@pytest.mark.parametrize(
    ("wanted", "new"),
    [
        ({}, {}),
        ({"ann": None, "bob": 5000}, {}),  # who is there stays as he is
        ({"c": None, "d": None}, {"c": 1101, "d": 1103}),
        ({"c": None, "d": 1101}, {"c": 1103, "d": 1101}),
        ({"c": 1000, "d": None}, {"c": 1000, "d": 1101}),
    ],
)
def test_new_accounts_get_the_next_free_uids(
    wanted: dict[str, int | None], new: dict[str, int]
) -> None:
    assert accounts.with_uids(wanted, KNOWN) == new


def test_a_uid_belongs_to_one_account() -> None:
    with pytest.raises(AccountError, match="The uid 1102 of c belongs to bob already"):
        accounts.with_uids({"c": 1102}, KNOWN)


def test_no_uid_of_a_service_is_given_to_a_student() -> None:
    many = accounts.with_uids({f"u{number}": None for number in range(6100)}, [])
    assert not {7000, 7101, 7102, 7103} & set(many.values())
    assert len(set(many.values())) == 6100
    assert accounts.lines(many).count("\n") == 6100


@pytest.fixture
def home(docker: Program) -> Program:
    """A home with two accounts on it."""
    docker.answers("run * list", f"printf '{ENTRIES}'")
    docker.answers("run * add")
    return docker


def test_accounts_travel_by_standard_input(home: Program) -> None:
    assert accounts.add(HEAD, {"ann": None, "cyd": None, "dan": 1500}) == {
        "cyd": 1101, "dan": 1500,
    }  # fmt: skip
    call = home.calls[-1]
    assert home.input_of(*call) == b"cyd 1101\ndan 1500\n"
    assert "--interactive" in call  # without it, docker gives no standard input
    assert "--volume=cfiddle_home:/home" in call
    assert call[-2:] == ["cfiddle-cluster:latest", "add"]
    assert "cyd" not in " ".join(call)


def test_a_cluster_begins_with_accounts_to_try_it(home: Program) -> None:
    home.answers("run * list")
    assert accounts.add(HEAD, TEST_ACCOUNTS) == TEST_ACCOUNTS
    assert home.input_of(*home.calls[-1]) == b"jovyan 1000\ntest_user1 1001\ntest_user2 1002\n"


@pytest.mark.parametrize("wanted", [{"root": 0}, {"c": 1102}, {"c": 1200, "d": 1200}])
def test_wrong_accounts_change_nothing(home: Program, wanted: dict[str, int | None]) -> None:
    with pytest.raises(AccountError):
        accounts.add(HEAD, wanted)
    assert [call[-1] for call in home.calls] == ["list"]


def test_dockers_own_words_when_it_fails(docker: Program) -> None:
    docker.answers("run *", "echo 'no space left on device' >&2; exit 125")
    with pytest.raises(MachineError, match="no space left on device"):
        accounts.listed(HEAD)


@pytest.mark.parametrize(("purge", "word"), [(False, "remove"), (True, "purge")])
def test_an_account_goes_after_its_jobs(home: Program, purge: bool, word: str) -> None:
    home.answers("ps *", "echo c0ffee")
    home.answers("exec c0ffee *")
    home.answers(f"run * {word} bob")
    accounts.remove(HEAD, "bob", purge=purge)
    ends = [line for line in home.lines if not line.startswith("ps ")]
    assert ends[1] == "exec c0ffee scancel --user=bob"
    assert ends[-1].endswith(f" {word} bob")


def test_an_account_that_is_not_there_is_told(home: Program) -> None:
    with pytest.raises(AccountError, match="There is no account 'cyd'"):
        accounts.remove(HEAD, "cyd", purge=True)
    assert len(home.calls) == 1
