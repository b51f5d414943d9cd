"""Accounts for the cluster's users."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm import process
from cfiddle_slurm.cluster import accounts
from cfiddle_slurm.cluster.accounts import TEST_ACCOUNTS, AccountError
from tests.unit.cluster.conftest import Docker


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


@pytest.mark.parametrize("uid", [0, 1, 999, 60000, -1, 7000, 7101, 7102])
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


def test_accounts_travel_by_standard_input(docker: Docker) -> None:
    docker.answers("run *")
    accounts.ensure(TEST_ACCOUNTS)
    (call,) = docker.calls
    assert docker.input_of(*call) == b"jovyan 1000\ntest_user1 1001\ntest_user2 1002\n"
    assert "--interactive" in call  # without it, docker gives no standard input
    assert f"--volume={accounts.HOME_VOLUME}:/home" in call
    assert call[-1] == "cfiddle-cluster:latest"
    assert not set(TEST_ACCOUNTS) & set(" ".join(call).split())


def test_wrong_accounts_are_refused_before_docker_is_asked(docker: Docker) -> None:
    with pytest.raises(AccountError):
        accounts.ensure({"root": 0})
    assert docker.calls == []


def test_dockers_own_words_when_it_fails(docker: Docker) -> None:
    docker.answers("run *", "echo 'no space left on device' >&2; exit 125")
    with pytest.raises(process.CommandFailed, match="status 125: no space left on device"):
        accounts.ensure(TEST_ACCOUNTS)
