"""``python -m cfiddle_slurm.cluster``: the commands for images, workers, users and services."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cfiddle_slurm.cluster import __main__ as command_line
from cfiddle_slurm.cluster.changes import upgrade, workers
from cfiddle_slurm.cluster.changes.upgrade import Deployed
from cfiddle_slurm.cluster.commands import inside
from cfiddle_slurm.cluster.hosts import machines
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.image import distribution, images
from cfiddle_slurm.cluster.members import swarm
from cfiddle_slurm.cluster.members.swarm import Member
from cfiddle_slurm.cluster.people import accounts, quotas, user_node
from cfiddle_slurm.cluster.people.account_book import Account
from cfiddle_slurm.cluster.services import slurm, stack
from cfiddle_slurm.cluster.services.stack import Service
from cfiddle_slurm.cluster.site import config
from cfiddle_slurm.slurm_states import Node
from tests.unit.cluster.recorder import Recorder

FILE = Path("cluster.toml")
HEAD = Machine("local", "admin")
W1 = Member("id1", "one", "w1.lan", frozenset({"worker"}), True)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(command_line.main, arguments)


@pytest.fixture
def steps(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A cluster on which nothing is done; it is up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    FILE.write_text(config.example({"workers": ("w1.lan",), "ssh_user": "admin"}))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    recorder.replace(images, build_all=None)
    recorder.replace(inside, show=0, _become=None)
    recorder.replace(machines, require=None)
    recorder.replace(distribution, push={}, push_older={})
    recorder.replace(swarm, state="active")
    recorder.replace(upgrade, deployed={"user": Deployed("u:1", "1", "cfiddle-sandbox:1")})
    recorder.replace(workers, add="two", remove=None, resume="one", find=W1, drain=None)
    recorder.replace(slurm, drain=None, resume=None, nodes=[Node("one", "idle", "", "")],
                     ensure_users=None)  # fmt: skip
    recorder.replace(accounts, add={"cyd": 1100}, remove=None, refused={}, logins_of={},
                     listed=[Account("ann", 1234, "/home/ann")])  # fmt: skip
    recorder.replace(stack, services=[Service("worker", 1, 1)], container_on="c0ffee")
    recorder.replace(user_node, exec_arguments=["docker", "exec"], copy_to_home=None,
                     give_examples=None)  # fmt: skip
    return recorder


def test_images_are_built_with_what_is_asked_for_and_what_the_file_says(
    steps: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_CERT", "/machine.pem")
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    assert call("images", "build").exit_code == 0
    _, plain, *_ = steps.arguments["images.build_all"]
    assert plain == images.BuildSettings.of(config.load(FILE))
    assert call(
        "images", "build", "--base=debootstrap", f"--ca-bundle={bundle}", "--mirror=http://m"
    ).exit_code == 0  # fmt: skip
    _, found, *_ = steps.arguments["images.build_all"]
    assert isinstance(found, images.BuildSettings)
    assert (found.base, found.ca_bundle, found.mirror) == ("debootstrap", bundle, "http://m")
    assert call("images", "build", "--base=cdrom").exit_code == 2


@pytest.mark.parametrize("registry", [True, False])
def test_images_go_the_way_that_the_file_says(steps: Recorder, registry: bool) -> None:
    config.set_workers(FILE, ("w2",))
    FILE.write_text(FILE.read_text().replace("registry = true", f"registry = {registry}".lower()))
    assert call("images", "push").exit_code == 0
    head, everywhere, _, found = steps.arguments["distribution.push"]
    assert (head, everywhere, found) == (HEAD, [HEAD, Machine("w2", "admin")], registry)
    # And what open notebooks still need.
    _, others, tags, _ = steps.arguments["distribution.push_older"]
    assert (others, tags) == ([Machine("w2", "admin")], {"u:1", "cfiddle-sandbox:1"})


def test_images_that_differ_are_shown(steps: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {
        "local": {"cfiddle-cluster": "sha256:aaaa", "cfiddle-sandbox": "sha256:bbbb"},
        "w1.lan": {"cfiddle-cluster": "sha256:aaaa", "cfiddle-sandbox": "sha256:cccc"},
    }
    monkeypatch.setattr(distribution, "digests", lambda machine: digests[machine.address])
    result = call("images", "list")
    assert result.exit_code == 0
    assert "cccc differs" in result.output
    assert "aaaa differs" not in result.output


def test_a_machine_out_of_reach_does_not_hide_who_has_which_image(
    steps: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digests(machine: Machine) -> dict[str, str]:
        if not machine.is_local:
            raise MachineError("w1.lan does not answer.")
        return {"cfiddle-cluster": "sha256:aaaa"}

    monkeypatch.setattr(distribution, "digests", digests)
    result = call("images", "list")
    assert result.exit_code == 1
    assert "aaaa" in result.output
    assert "Error: w1.lan does not answer." in result.output


def test_one_machine_that_gets_no_images_is_named_and_the_others_get_them(steps: Recorder) -> None:
    steps.replace(distribution, push={Machine("w1.lan", "admin"): MachineError("w1.lan is full.")})
    config.set_workers(FILE, ("w1.lan", "w2"))
    result = call("images", "push")
    assert result.exit_code == 1
    assert "Error: w1.lan is full.\nThe others have the head's images.\n" in result.output


@pytest.mark.parametrize(
    "words",
    [
        ("images", "build"), ("images", "push"), ("worker", "add", "w2"),
        ("worker", "remove", "w2"), ("worker", "drain", "w2"), ("worker", "resume", "w2"),
        ("user", "add", "cyd"), ("user", "import", "class.csv"), ("user", "remove", "ann"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("steps")
def test_what_changes_a_cluster_holds_its_lock(locks: list[str], words: tuple[str, ...]) -> None:
    Path("class.csv").write_text("cyd\n")
    assert call(*words).exit_code == 0
    assert locks == [" ".join(words[:2])]


@pytest.mark.usefixtures("steps")
def test_what_only_looks_takes_no_lock(locks: list[str]) -> None:
    for words in (("user", "list"), ("logs", "worker"), ("run", "ann", "id")):
        assert call(*words).exit_code == 0
    assert locks == []


def test_workers_come_and_go(steps: Recorder) -> None:
    result = call("worker", "add", "w2")
    assert (result.exit_code, result.output) == (0, "two takes jobs.\n")
    assert steps.arguments["workers.add"][:3] == (config.load(FILE), FILE, "w2")
    assert call("worker", "remove", "w2", "--timeout=7").exit_code == 0
    assert steps.arguments["workers.remove"][2:4] == ("w2", 7)


def test_a_worker_is_drained_under_its_name_in_slurm(steps: Recorder) -> None:
    assert call("worker", "drain", "w1.lan", "--reason=bad fan").exit_code == 0
    assert steps.arguments["workers.drain"][1:] == (W1, "bad fan")


def test_a_worker_is_resumed(steps: Recorder) -> None:
    result = call("worker", "resume", "w1.lan")
    assert (result.exit_code, result.stdout.strip()) == (0, "one takes jobs.")
    assert steps.arguments["workers.resume"] == (HEAD, "w1.lan")


def test_users_are_added_with_their_share(steps: Recorder) -> None:
    result = call("user", "add", "cyd", "--uid=1500")
    assert (result.exit_code, result.output) == (0, "1 added, 0 existed already.\n")
    assert steps.arguments["accounts.add"] == (HEAD, {"cyd": 1500}, {})
    assert steps.arguments["slurm.ensure_users"] == (HEAD, {"cyd": 1500}, 50)


def test_a_quota_that_is_not_in_force_is_told(steps: Recorder) -> None:
    steps.replace(quotas, apply="home_quota is not in force: no.")
    assert call("user", "add", "cyd").output.endswith("\nhome_quota is not in force: no.\n")
    assert steps.arguments["quotas.apply"][0] == HEAD


def test_what_the_homes_hold_is_listed_the_fullest_first(steps: Recorder) -> None:
    steps.replace(quotas, usage={"bob": 5 << 20})
    steps.replace(accounts, listed=[Account("ann", 1100, "/home/ann"),
                                    Account("bob", 1101, "/home/bob")])  # fmt: skip
    output = call("user", "list", "--usage").output
    assert output.index("bob") < output.index("ann")
    assert "│ 5 " in output and "not counted" in output


def test_users_are_taken_from_a_file(steps: Recorder) -> None:
    Path("class.csv").write_text("SIS Login ID,Section\nAnn,A\ncyd,B\n")
    assert call("user", "import", "class.csv").output == (
        "2 names from the column 'SIS Login ID'. Ann's account is ann.\n"
        "1 added, 1 existed already.\n"
    )
    told = (HEAD, {"ann": None, "cyd": None}, {"ann": "Ann", "cyd": "cyd"})
    assert steps.arguments["accounts.refused"] == steps.arguments["accounts.add"] == told
    assert call("user", "import", "class.csv", "--column=section").exit_code == 0
    assert steps.arguments["accounts.add"][1] == {"a": None, "b": None}


def test_one_bad_line_in_a_file_stops_all_of_it(steps: Recorder) -> None:
    Path("class.csv").write_text("cyd\nx y\nann\n\nann.\n")
    steps.replace(accounts, refused={"ann": "No ann."})
    result = call("user", "import", "class.csv")
    assert result.exit_code == 1 and "accounts.add" not in steps.calls
    assert result.output == (
        "2 names from a list without headings; the first is 'cyd'.\n"
        "Error: class.csv: 3 lines are bad, and no account was added"
        " (--skip-bad adds the others):\n"
        "  line 2: 'x y' has a blank in it, which no account's name can have.\n"
        "  line 3: No ann.\n"
        "  line 5: 'ann.' is no login: it begins with a letter or a digit, and each dot is between"
        " two other characters.\n"
    )


def test_the_others_are_added_if_that_is_wanted(steps: Recorder) -> None:
    Path("class.csv").write_text("cyd\nx y\n")
    result = call("user", "import", "class.csv", "--skip-bad")
    assert result.exit_code == 1 and steps.arguments["accounts.add"][1] == {"cyd": None}
    assert "1 added, 0 existed already.\nError: class.csv: 1 line is bad; the others" in (
        result.output
    )
    Path("class.csv").write_text("x y\n")
    steps.calls.clear()
    assert call("user", "import", "class.csv", "--skip-bad").exit_code == 1
    assert "accounts.add" not in steps.calls


def test_a_user_is_meant_by_the_login_too(steps: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    result = call("user", "add", "J.Doe@a.edu", "--uid=1500")
    assert result.output.endswith("\nJ.Doe@a.edu's account is j.doe.\n")
    assert steps.arguments["accounts.add"] == (HEAD, {"j.doe": 1500}, {"j.doe": "J.Doe@a.edu"})
    assert call("user", "add", "Jane Doe").exit_code == 1
    Path("a.py").touch()
    for words, step, place in (
        (("user", "remove", "12"), "accounts.remove", 1),
        (("run", "12", "id"), "user_node.exec_arguments", 1),
        (("copy", "12", "a.py", "b.py"), "user_node.copy_to_home", 1),
    ):
        monkeypatch.setattr(accounts, "logins_of", lambda head: {"u12": "12"})
        assert call(*words).exit_code == 0
        assert steps.arguments[step][place] == "u12"
        monkeypatch.setattr(accounts, "logins_of", lambda head: {})
        assert "There is no account of the login '12'" in call(*words).output


@pytest.mark.parametrize("purge", [False, True])
def test_a_users_home_stays_unless_told_otherwise(steps: Recorder, purge: bool) -> None:
    assert call("user", "remove", "ann", *(["--purge"] if purge else [])).exit_code == 0
    assert steps.arguments["accounts.remove"] == ([HEAD, Machine("w1.lan", "admin")], "ann", purge)


@pytest.mark.usefixtures("steps")
def test_users_are_listed() -> None:
    output = call("user", "list").output
    assert all(word in output for word in ("ann", "1234", "/home/ann"))
    assert "login" not in output


def test_logins_are_listed_where_they_differ(steps: Recorder) -> None:
    steps.replace(accounts, logins_of={"obrien": "o'brien", "gone": "Gone"},
                  listed=[Account("ann", 1100, "/"), Account("obrien", 1101, "/")])  # fmt: skip
    output = call("user", "list").output
    assert "login" in output and "gone" not in output
    rows = [re.findall(r"[\w'/]+", line) for line in output.splitlines()]
    assert ["ann", "ann", "1100", "/"] in rows and ["obrien", "o'brien", "1101", "/"] in rows


def test_a_service_is_looked_into_where_it_runs(steps: Recorder) -> None:
    assert call("logs", "worker", "--tail=5", "--follow").exit_code == 0
    assert steps.arguments["inside.show"] == (
        ["docker", "service", "logs", "--raw", "--tail=5", "--follow", "cfiddle_worker"],
    )
    assert call("logs", "worker", "--tail=-1").exit_code == 2
    steps.replace(inside, show=KeyboardInterrupt())
    assert call("logs", "worker").exit_code == 130
    assert call("shell", "worker", "w1.lan").exit_code == 0
    assert steps.arguments["inside._become"] == (
        ["docker", "--host=ssh://admin@w1.lan", "exec", "--interactive", "--tty", "c0ffee", "bash"],
    )


@pytest.mark.parametrize("command", ["logs", "shell"])
def test_a_service_that_is_none_is_told_with_those_that_are(steps: Recorder, command: str) -> None:
    result = call(command, "wrker")
    assert result.exit_code == 1
    assert result.output == "Error: There is no service 'wrker'; the services are worker.\n"
    steps.replace(stack, services=[])
    assert "the cluster is not up" in call(command, "worker").output


def test_a_users_command_keeps_its_own_options(steps: Recorder) -> None:
    assert call("run", "ann", "squeue", "--me", "-h").exit_code == 0
    assert steps.arguments["user_node.exec_arguments"][1:3] == ("ann", ("squeue", "--me", "-h"))


def test_a_file_is_copied_as_it_is(steps: Recorder) -> None:
    Path("a.py").write_bytes(b"\xff")
    assert call("copy", "ann", "a.py", "x/a.py").exit_code == 0
    assert steps.arguments["user_node.copy_to_home"][1:] == ("ann", "x/a.py", b"\xff")
    assert call("copy", "ann", "none", "x").exit_code == 2
