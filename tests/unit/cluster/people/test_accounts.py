"""Accounts for the cluster's users."""

import json

import pytest

from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.people import account_book, accounts
from cfiddle_slurm.cluster.people.account_book import (
    Account,
    AccountError,
    AccountsRefused,
    Book,
    System,
    with_uids,
)
from cfiddle_slurm.cluster.people.logins import LoginError
from tests.unit.cluster.conftest import HEAD, Program


@pytest.mark.parametrize(
    "name",
    ["", "Ann", "1st", "-rf", "a b", "a\n", "a:b", "root:x:0:0", "$(id)", "../a", ".", "..", "ünï",
     "a" * 33, "a.", ".a", "a..b", "_a", "0", "1100"],
)  # fmt: skip
def test_what_is_no_name_of_an_account(name: str) -> None:
    with pytest.raises(AccountError, match="is not the name of an account"):
        with_uids({name: 1000}, Book())


@pytest.mark.parametrize("name", ["root", "slurm", "munge", "mysql", "daemon", "cfiddle", "nobody"])
def test_names_of_the_system_are_no_students(name: str) -> None:
    with pytest.raises(AccountError, match=f"'{name}' is a name of the system"):
        with_uids({name: None}, Book())


def test_an_images_own_names_and_ids_are_no_students() -> None:
    texts = "statd:x:106:65534::/:/bin/false\nann:x:1100:1100::/:/bin/sh\nrender:x:1101:\nodd:x\n"
    system = account_book.system_of(texts)
    assert system == System(frozenset(["statd", "ann", "render"]), frozenset([106, 1100, 1101]))
    for name in ("statd", "render"):
        with pytest.raises(AccountError, match="is a name of the system"):
            with_uids({name: None}, Book(), system)
    with pytest.raises(AccountError, match="The uid 1101 of bob is the system's"):
        with_uids({"bob": 1101}, Book(), system)
    assert with_uids({"bob": None}, Book(), system) == {"bob": 1102}


@pytest.mark.parametrize("uid", [0, 1, 999, 60000, -1, 7000, 7101, 7102, 7103])
def test_uids_of_the_system_and_of_the_services_are_not_given_away(uid: int) -> None:
    with pytest.raises(AccountError, match=f"The uid {uid} of ann is taken or outside"):
        with_uids({"ann": uid}, Book())


def test_no_two_accounts_are_one() -> None:
    with pytest.raises(AccountError, match="same uid"):
        with_uids({"ann": 1000, "bob": 1000}, Book())


ENTRIES = (
    "ann:x:1100:1100::/home/ann:/bin/bash\n\nshort:x:1\nbob:x:1102:1102:B o b:/home/bob:/bin/sh\n"
)
KNOWN = [Account("ann", 1100, "/home/ann"), Account("bob", 1102, "/home/bob")]


def test_accounts_in_a_passwd_file() -> None:
    assert account_book.parse_passwd(ENTRIES) == KNOWN
    assert account_book.parse_passwd("eve:x:one:1::/home/eve:/bin/sh\n") == []
    assert account_book.parse_passwd("") == []


@pytest.mark.parametrize(
    ("wanted", "new"),
    [
        ({}, {}),
        ({"ann": None, "bob": 5000}, {}),  # who is there stays as he is
        ({"c": None, "d": None}, {"c": 1101, "d": 1103}),
        ({"c": None, "d": 1101}, {"c": 1103, "d": 1101}),
        ({"c": 1000, "d": None}, {"c": 1000, "d": 1101}),
        ({"cyd": None, "d": None}, {"cyd": 1104, "d": 1101}),  # who comes back has the own one
        ({"cyd": 1104}, {"cyd": 1104}),
        ({"eve": None, "d": None}, {"eve": 1103, "d": 1101}),  # and so who was here before
        ({"eve": 1103}, {"eve": 1103}),
        ({"jane.doe": None}, {"jane.doe": 1101}),
    ],
)
def test_new_accounts_get_their_own_uids_or_the_next_free_ones(
    wanted: dict[str, int | None], new: dict[str, int]
) -> None:
    book = Book(tuple(KNOWN), {"cyd": 1104}, {"ann": 1100, "eve": 1103} if "eve" in wanted else {})
    assert with_uids(wanted, book) == new


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"c": 1102}, "The uid 1102 of c is or was bob's"),
        ({"c": 1104}, "The uid 1104 of c is or was cyd's"),
        ({"cyd": 1105}, "cyd had the uid 1104 before and keeps it"),
        ({"c": 1109}, "The uid 1109 of c already owns the folder /home/fay"),
        ({"fay": 1108}, "The folder /home/fay belongs to the uid 1109, not to fay"),
        ({"gus": None}, "The folder /home/gus belongs to the uid 0, not to gus"),
        ({"hal": None}, "The folder /home/hal belongs to the uid 1100, not to hal"),
    ],
)
def test_a_uid_is_one_accounts_for_good(wanted: dict[str, int | None], words: str) -> None:
    homes = {"ann": 1100, "fay": 1109, "gus": 0, "hal": 1100}
    book = Book(tuple(KNOWN), {"cyd": 1104, "hal": 1111}, homes)
    with pytest.raises(AccountError, match=words):
        with_uids(wanted, book)


LOGINS = {"obrien": "o'brien", "u12": "12", "jane": "Jane@a.edu"}


@pytest.mark.parametrize(
    ("name", "login", "owner"),
    [
        ("obrien", "obrien", "o'brien"),
        ("u12", "u12", "12"),
        ("jane", "jane@b.edu", "Jane@a.edu"),
        ("ann", "a'nn", "ann"),
        ("cyd", "c\u00fdd", "cyd"),
    ],
)
def test_nobody_gets_the_account_of_somebody_with_a_login_much_like_it(
    name: str, login: str, owner: str
) -> None:
    book = Book(tuple(KNOWN), {"cyd": 1104, "obrien": 1105, "u12": 1106, "jane": 1107}, {}, LOGINS)
    with pytest.raises(AccountsRefused, match="is or was") as caught:
        with_uids({name: None, "new": None}, book, logins={name: login, "new": "New"})
    assert caught.value.why == {name: f"The account {name!r} is or was {owner}'s, not {login}'s."}


@pytest.mark.parametrize(
    ("name", "login"),
    [("obrien", "O\u2019Brien"), ("u12", "12"), ("jane", "jane"), ("jane", "JANE@A.EDU"),
     ("ann", "Ann"), ("cyd", "cyd@a.edu"), ("obrien", None), ("new", "n'ew")],
)  # fmt: skip
def test_whoever_comes_back_gets_the_own_account(name: str, login: str | None) -> None:
    ever = {"cyd": 1104, "obrien": 1105, "u12": 1106, "jane": 1107, "new": 1108}
    if name == "new":
        del ever["new"]
    book = Book(tuple(KNOWN), ever, {}, LOGINS)
    found = with_uids({name: None}, book, logins={name: login} if login else {})
    assert found == ({} if name == "ann" else {name: ever.get(name, 1101)})


def test_all_that_is_refused_is_told_at_once() -> None:
    wanted = {"root": None, "ann": None, "bob": 1300, "dan": 1200, "eve": 1200, "gus": 7000}
    with pytest.raises(AccountsRefused) as caught:
        with_uids(wanted, Book(tuple(KNOWN)))
    assert list(caught.value.why) == ["root", "gus", "dan", "eve"]
    assert str(caught.value).count("dan and eve have the same uid 1200.") == 1


def test_a_name_in_other_letters_is_nobody_else() -> None:
    with pytest.raises(AccountError, match="'ann' differs from the account 'Ann' only"):
        with_uids({"ann": None}, Book((), {"Ann": 1100}))


def test_no_uid_of_a_service_is_given_to_a_student() -> None:
    many = with_uids({f"u{number}": None for number in range(6100)}, Book())
    assert not {7000, 7101, 7102, 7103} & set(many.values())
    assert len(set(many.values())) == 6100


def test_where_all_uids_were_given_there_is_none() -> None:
    with pytest.raises(AccountError, match="No free uid"):
        with_uids({f"u{number}": None for number in range(60000)}, Book())


@pytest.fixture
def home(docker: Program) -> Program:
    """A home with two accounts on it, and one that was removed."""
    docker.answers("run *--entrypoint=cat*", "echo statd:x:106:65534::/:/bin/false")
    docker.answers("run * list", f"printf '{ENTRIES}'")
    docker.answers("run * ever", "printf 'ann 1100\\nbob 1102\\ncyd 1104\\n'")
    docker.answers("run * add", "echo '{\"dan\": 1500}'")
    docker.answers("run * remove *")
    docker.answers("run * purge *")
    docker.answers("ps *service.name=cfiddle_controller", "echo c0ffee")
    docker.answers(
        "ps --quiet --filter=label=com.docker.swarm.service.name=cfiddle_user", "echo u5e6"
    )
    docker.answers("ps --quiet --filter=label=com.docker.swarm.service.name=cfiddle_worker")
    docker.answers("exec c0ffee *")
    docker.answers("exec u5e6 *")
    return docker


def test_accounts_travel_by_standard_input(home: Program) -> None:
    assert accounts.add(HEAD, {"ann": None, "dan": 1500}, {"dan": "Dan"}) == {"dan": 1500}
    call = home.calls[-1]
    assert json.loads(home.input_of(*call)) == {
        "wanted": {"ann": None, "dan": 1500}, "logins": {"dan": "Dan"},
        "names": ["statd"], "ids": [106],
    }  # fmt: skip
    assert "--interactive" in call  # without it, docker gives no standard input
    assert "--volume=cfiddle_home:/home" in call
    assert call[-2:] == ["cfiddle-cluster:latest", "add"]
    assert "dan" not in " ".join(call)
    asked = [call[-3] for call in home.calls[:-1]]
    assert asked == ["cfiddle-sandbox:latest", "cfiddle-cluster:latest", "cfiddle-user:latest"]


@pytest.mark.parametrize("wanted", [{"root": 0}, {"root": None}, {"c": 7000}])
def test_wrong_accounts_change_nothing(home: Program, wanted: dict[str, int | None]) -> None:
    with pytest.raises(AccountError):
        accounts.add(HEAD, wanted)
    assert home.calls == []


def test_what_the_program_refuses_is_an_accounts_error(home: Program) -> None:
    home.answers("run * add", "echo 'The uid 5 of x is taken.' >&2; exit 3")
    with pytest.raises(AccountError, match=r"^The uid 5 of x is taken\.$"):
        accounts.add(HEAD, {"x": None})


def test_what_would_be_refused_is_told_for_each(home: Program) -> None:
    home.answers("run * judge", """echo '{"x": "No x.", "y": "No y."}'; exit 4""")
    assert accounts.refused(HEAD, {"x": None, "y": None}) == {"x": "No x.", "y": "No y."}
    # Whoever has that login would be whom JupyterLab runs as.
    found = accounts.refused(HEAD, {"x": None, "y": None, "jovyan": None})
    assert found["jovyan"] == "'jovyan' is an account of the cluster itself." and len(found) == 3
    home.answers("run * judge")
    assert list(accounts.refused(HEAD, {"test_user1": None})) == ["test_user1"]
    assert accounts.refused(HEAD, {"z": None}, {"z": "Z"}) == {}
    assert json.loads(home.input_of(*home.calls[-1]))["wanted"] == {"x": None, "y": None}
    assert not any(call[-1] == "add" for call in home.calls)


def test_an_account_is_meant_by_its_name_or_its_owners_login(home: Program) -> None:
    assert accounts.named(HEAD, "obrien") == "obrien"
    assert home.calls == []
    home.answers("run * logins", f"""cat <<'END'\n{json.dumps(LOGINS)}\nEND""")
    for word, name in (("o'brien", "obrien"), ("12", "u12"), ("jane@a.edu", "jane"),
                       ("ANN", "ann"), ("zoe@a.edu", "zoe")):  # fmt: skip
        assert accounts.named(HEAD, word) == name
    for word in ("jane@b.edu", "99", "b'ob"):
        with pytest.raises(AccountError, match=f"There is no account of the login .{word}."):
            accounts.named(HEAD, word)
    with pytest.raises(LoginError, match="has a blank in it"):
        accounts.named(HEAD, "Jane Doe")


def test_images_without_a_command_are_told(docker: Program) -> None:
    docker.answers("run *", "echo 'usage: accounts' >&2; exit 2")
    with pytest.raises(MachineError, match="older than this command: run `images build`"):
        accounts.logins_of(HEAD)


def test_dockers_own_words_when_it_fails(docker: Program) -> None:
    docker.answers("run *", "echo 'no space left on device' >&2; exit 125")
    with pytest.raises(MachineError, match="no space left on device"):
        accounts.listed(HEAD)


@pytest.mark.parametrize("purge", [False, True])
def test_an_account_goes_with_all_that_runs_of_it(home: Program, purge: bool) -> None:
    accounts.remove([HEAD], "bob", purge=purge)
    steps = [line.partition("exec c0ffee ")[2] or line for line in home.lines]
    steps = [step.rpartition("cfiddle-cluster:latest ")[2] for step in steps]
    steps = [step for step in steps if not step.startswith("ps ")]
    assert steps == [
        "ever",
        "list",
        "sacctmgr --immediate modify user where Name=bob set MaxSubmitJobs=0",
        "scancel --user=bob",
        "squeue --noheader --format=%i --user=bob",
        "sacctmgr --immediate remove user Name=bob",
        "remove bob",
        "exec u5e6 /usr/local/lib/cfiddle-slurm/end-account 1102",
        *(["purge bob"] if purge else []),
    ]


def test_a_removal_that_was_cut_short_is_finished(home: Program) -> None:
    accounts.remove([HEAD], "cyd", purge=True)
    assert not home.those("scancel")
    assert home.those("1104")
    assert home.lines[-1].endswith(" purge cyd")


def test_what_may_still_run_is_told(home: Program) -> None:
    home.answers("exec u5e6 *", "echo 'these do not end: 17' >&2; exit 1")
    with pytest.raises(MachineError, match=r"bob is removed, but .* do not end: 17"):
        accounts.remove([HEAD], "bob", purge=True)
    assert not home.those("purge")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zoe", "There is no account 'zoe'"),
        ("root", "There is no account 'root'"),
        ("jovyan", "JupyterLab runs as jovyan"),
    ],
)
def test_an_account_that_cannot_be_removed_is_told(home: Program, name: str, words: str) -> None:
    with pytest.raises(AccountError, match=words):
        accounts.remove([HEAD], name, purge=True)
    assert len(home.calls) <= 1


def test_bytes_are_counted_by_the_program(home: Program) -> None:
    home.answers("run * usage", "echo '{\"ann\": 5}'")
    assert accounts.usage(HEAD) == {"ann": 5}
