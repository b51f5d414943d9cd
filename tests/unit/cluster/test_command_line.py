"""``python -m cfiddle_slurm.cluster``: what it says, and the status it ends with."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cfiddle_slurm.cluster import __main__ as command_line
from cfiddle_slurm.cluster import accounts, credentials, images, machines, stack, user_node
from cfiddle_slurm.cluster.stack import NotHealthy, Service


def call(*arguments: str) -> Result:
    return CliRunner().invoke(command_line.main, arguments)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the cluster, which is none; it is up."""
    found: list[str] = []

    def note(name: str, answer: object = None) -> Callable[..., object]:
        def noted(*arguments: object) -> object:
            found.append(name)
            return answer

        return noted

    def replace(module: object, names: dict[str, object]) -> None:
        short = str(module).split("'")[1].rpartition(".")[2]
        for name, answer in names.items():
            monkeypatch.setattr(module, name, note(f"{short}.{name}", answer))

    replace(images, {"exists": True, "build_all": None})
    replace(machines, {
        "make_local_swarm": None, "swarm_state": "active", "leave_local_swarm": True,
    })  # fmt: skip
    replace(credentials, {"ensure": None, "remove": None})
    replace(accounts, {"ensure": None})
    replace(stack, {
        "deploy": None, "wait_until_healthy": None, "remove_old_tags": None, "remove": None,
        "remove_volumes": [], "services": [Service("user", 1, 1), Service("worker", 2, 2)],
    })  # fmt: skip
    replace(user_node, {"jupyter_url": "http://x/lab", "copy_to_home": None, "replace_by": None})
    return found


def test_up_makes_what_the_next_step_needs(done: list[str]) -> None:
    result = call("up", "--local")
    assert result.exit_code == 0, result.output
    assert "The cluster is up" in result.output
    assert [step for step in done if step != "images.exists"] == [
        "machines.make_local_swarm", "credentials.ensure", "accounts.ensure", "stack.deploy",
        "stack.wait_until_healthy", "stack.remove_old_tags",
    ]  # fmt: skip


def test_up_without_images_says_how_to_build_them(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "exists", lambda tag: tag != "cfiddle-user:latest")
    result = call("up", "--local")
    assert result.exit_code == 1
    assert "The image cfiddle-user is not built" in result.output
    assert "images build" in result.output
    assert done == []


def test_what_goes_wrong_is_one_message(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(seconds: float, say: object) -> None:
        raise NotHealthy("The service worker is not healthy.")

    monkeypatch.setattr(stack, "wait_until_healthy", fail)
    result = call("up", "--local")
    assert result.exit_code == 1
    assert result.output == "Error: The service worker is not healthy.\n"


def test_down_keeps_the_data_unless_told_otherwise(done: list[str]) -> None:
    result = call("down")
    assert "its data are kept in cfiddle_database" in result.output
    assert done == ["machines.swarm_state", "stack.remove", "machines.leave_local_swarm"]
    result = call("down", "--volumes")
    assert "its data are removed" in result.output
    assert done[-1] == "stack.remove_volumes"


def test_down_in_a_swarm_of_somebody_elses_takes_the_secrets_along(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "leave_local_swarm", lambda: False)
    assert call("down").exit_code == 0
    assert done[-1] == "credentials.remove"


def test_down_twice_is_no_error(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "swarm_state", lambda: "inactive")
    assert call("down").exit_code == 0
    assert done == []


@pytest.mark.parametrize(
    ("services", "status", "words"),
    [
        ([Service("user", 1, 1), Service("worker", 2, 2)], 0, "worker"),
        ([Service("user", 1, 1), Service("worker", 1, 2)], 1, "worker"),
        ([], 1, "The cluster is not up."),
    ],
)
def test_status_is_for_people_and_for_scripts(
    done: list[str],
    monkeypatch: pytest.MonkeyPatch,
    services: list[Service],
    status: int,
    words: str,
) -> None:
    monkeypatch.setattr(stack, "services", lambda: services)
    result = call("status")
    assert result.exit_code == status
    assert words in result.output


def test_the_address_is_all_that_is_printed(done: list[str]) -> None:
    assert call("url").output == "http://x/lab\n"


def test_a_users_command_keeps_its_own_options(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(user_node, "replace_by", lambda *arguments: seen.extend(arguments))
    assert call("run", "ann", "squeue", "--me", "-h").exit_code == 0
    assert seen == ["ann", ("squeue", "--me", "-h")]


def test_a_file_is_copied_as_it_is(
    done: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(user_node, "copy_to_home", lambda *arguments: seen.extend(arguments))
    (tmp_path / "a.py").write_bytes(b"\xff")
    assert call("copy", "ann", str(tmp_path / "a.py"), "x/a.py").exit_code == 0
    assert seen == ["ann", "x/a.py", b"\xff"]
    assert call("copy", "ann", str(tmp_path / "none"), "x").exit_code == 2


def test_images_are_built_with_what_is_asked_for_and_what_the_machine_uses(
    done: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[images.BuildSettings] = []
    monkeypatch.setattr(images, "build_all", lambda settings, say: seen.append(settings))
    machine = images.BuildSettings(ca_bundle=Path("/machine.pem"), pip_index="http://index")
    monkeypatch.setattr(images.BuildSettings, "of_machine", lambda: machine)
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    assert call("images", "build").exit_code == 0
    assert call(
        "images", "build", "--base=debootstrap", f"--ca-bundle={bundle}", "--mirror=http://m"
    ).exit_code == 0  # fmt: skip
    assert seen == [
        machine,
        images.BuildSettings("debootstrap", bundle, "http://index", "http://m"),
    ]
