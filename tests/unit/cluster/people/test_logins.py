"""Logins as universities give them, and the accounts that they become."""

import re

import pytest

from cfiddle_slurm.cluster.people import logins
from cfiddle_slurm.cluster.people.logins import LoginError


@pytest.mark.parametrize(
    ("login", "name"),
    [
        ("ann", "ann"),
        ("jane.doe", "jane.doe"),
        ("JSmith", "jsmith"),
        ("12345678", "u12345678"),
        ("7zhang", "u7zhang"),
        ("o'brien", "obrien"),
        ("O\u2019Brien", "obrien"),
        ("jos\u00e9", "jose"),
        ("jose\u0301", "jose"),  # the same, composed
        ("Gro\u00df", "gross"),
        ("\u0130pek", "ipek"),
        ("Jane.Doe@cs.example.edu", "jane.doe"),
        ("1234567@example.edu", "u1234567"),
        ("a-b_c.d", "a-b_c.d"),
        ("\uff4a\uff41\uff4e\uff45", "jane"),
        ("a" * 32, "a" * 32),
    ],
)
def test_a_login_is_an_accounts_name(login: str, name: str) -> None:
    assert logins.account_name(login) == name
    assert logins.same(login, login)


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ("Jane Doe", "'Jane Doe' has a blank in it"),
        ("jane\n", "has a blank in it"),
        ("jane+cs@example.edu", "has '+' in it"),
        ("UNI\\jane", "has '\\\\' in it"),
        ("j\u00f8rn", "has '\u00f8' in it"),
        ("\u5f20\u4f1f", "has '\u5f20' in it"),
        ("\u0663", "has '\u0663' in it"),
        ("../etc", "has '/' in it"),
        ("\uff0e\uff0e\uff0f", "has '/' in it"),
        ("$(id)", "has '$' in it"),
        ("a:b", "has ':' in it"),
        ("-rf", "'-rf' is no login"),
        ("_a", "is no login"),
        (".a", "is no login"),
        ("a..b", "is no login"),
        ("a.", "is no login"),
        ("", "'' is no login"),
        ("'", "is no login"),
        ("\u0301", "is no login"),
        ("@example.edu", "is neither a login nor an e-mail address"),
        ("a@", "is neither a login"),
        ("a@b@c", "is neither a login"),
        ("a@b c", "is neither a login"),
        ("a" * 33, "is longer than 32 letters"),
        ("1" * 32, "is longer than 32 letters"),
        ("a" * 255, "is too long for a login"),
    ],
)
def test_what_is_no_login_is_told(login: str, words: str) -> None:
    with pytest.raises(LoginError, match=re.escape(words)) as caught:
        logins.account_name(login)
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("JSmith", "jsmith", True),
        ("o'brien", "O\u2019Brien", True),
        ("jane", "jane@a.edu", True),
        ("jane@A.edu", "Jane@a.EDU", True),
        ("jos\u00e9", "jose\u0301", True),
        ("jane@a.edu", "jane@b.edu", False),
        ("o'brien", "obrien", False),
        ("jos\u00e9", "jose", False),
        ("12", "u12", False),
        ("j.smith", "j-smith", False),
    ],
)
def test_who_is_one_person(one: str, other: str, same: bool) -> None:
    assert logins.same(one, other) is logins.same(other, one) is same
