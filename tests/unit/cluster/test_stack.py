"""The cluster's services, as Docker tells of them."""

import json
import re
from pathlib import Path

import pytest

from cfiddle_slurm import process
from cfiddle_slurm.cluster import stack
from cfiddle_slurm.cluster.images import CLUSTER, IMAGES
from cfiddle_slurm.cluster.stack import NfsHome, NotHealthy, Service
from tests.unit.cluster.conftest import Docker

HOME = NfsHome("nfs.example", "/export/home")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def line(name: str, replicas: str) -> str:
    return json.dumps({"ID": "x", "Name": name, "Mode": "global", "Replicas": replicas})


@pytest.mark.parametrize(
    ("name", "replicas", "service", "healthy"),
    [
        ("cfiddle_worker", "3/3", Service("worker", 3, 3), True),
        ("cfiddle_worker", "0/12", Service("worker", 0, 12), False),
        ("cfiddle_worker", "0/0", Service("worker", 0, 0), False),
        ("cfiddle_user", "1/1 (max 1 per node)", Service("user", 1, 1), True),
        ("cfiddle_user", "2/1", Service("user", 2, 1), True),
        ("other", "1/1", Service("other", 1, 1), True),
    ],
)
def test_a_service_and_whether_it_is_healthy(
    name: str, replicas: str, service: Service, healthy: bool
) -> None:
    found = stack.parse_service(line(name, replicas))
    assert found == service
    assert found.is_healthy is healthy


def places(options: list[str]) -> list[Path]:
    assert all(option.startswith("--compose-file=") for option in options)
    return [Path(option.removeprefix("--compose-file=")) for option in options]


def test_the_compose_files_are_those_of_the_kit() -> None:
    assert [path.name for path in places(stack.files())] == ["stack.yml"]
    found = places(stack.files(HOME))
    assert [path.name for path in found] == ["stack.yml", "nfs.yml"]  # the later is laid over
    assert all(path.is_file() for path in found)


@pytest.fixture
def engine(docker: Docker) -> Docker:
    docker.answers("image inspect *", 'echo "sha256:0123456789abcdef-of-$5"')
    docker.answers("tag *")
    docker.answers("stack *", 'env | grep "^CFIDDLE_" >environment; echo rendered')
    return docker


def test_the_compose_files_variables_are_all_given(engine: Docker) -> None:
    for home in (None, HOME):
        texts = [path.read_text() for path in places(stack.files(home))]
        wanted = {name for text in texts for name in re.findall(r"\$\{(CFIDDLE_\w+)", text)}
        assert len(wanted) >= 3
        assert wanted <= set(stack.environment(8888, home))


def test_volumes_are_named_as_in_the_stack() -> None:
    (text,) = (path.read_text() for path in places(stack.files()))
    volumes = text.partition("\nvolumes:\n")[2].partition("\nsecrets:")[0]
    assert set(re.findall(r"name: (\w+)", volumes)) == set(stack.VOLUMES)


def test_an_image_gets_a_tag_of_its_content(engine: Docker) -> None:
    assert stack.versioned(CLUSTER) == "cfiddle-cluster:0123456789ab"
    assert engine.lines[-1] == "tag cfiddle-cluster:latest cfiddle-cluster:0123456789ab"


@pytest.mark.parametrize("home", [None, HOME])
def test_the_stack_is_rendered_and_deployed_alike(engine: Docker, home: NfsHome | None) -> None:
    assert stack.rendered(8000, home) == "rendered\n"
    rendered = Path("environment").read_text()
    stack.deploy(8000, home)
    assert Path("environment").read_text() == rendered
    assert "CFIDDLE_JUPYTER_PORT=8000\n" in rendered
    assert "CFIDDLE_USER_IMAGE=cfiddle-user:0123456789ab\n" in rendered
    assert ("CFIDDLE_NFS_SERVER=nfs.example\n" in rendered) is (home is not None)
    config, deploy = (call for call in engine.calls if call[0] == "stack")
    assert config == ["stack", "config", *stack.files(home)]
    assert deploy == [
        "stack", "deploy", "--resolve-image=never", "--detach=true", *stack.files(home), "cfiddle",
    ]  # fmt: skip


def test_an_image_that_is_not_built_cannot_be_deployed(docker: Docker) -> None:
    docker.answers("image inspect *", "echo 'No such image' >&2; exit 1")
    with pytest.raises(process.CommandFailed, match="No such image"):
        stack.deploy(8888)


def listed(docker: Docker, *services: str) -> None:
    """Have the engine list services ("worker 1/1"), one list after the other, the last for ever."""
    for number, found in enumerate(services):
        names = [one.split() for one in found.split(", ") if one]
        Path(f"list{number}").write_text(
            "\n".join(line(f"cfiddle_{name}", replicas) for name, replicas in names)
        )
    docker.answers("service ls *", "cat list0; test -e list1 && mv list1 list0; true")
    docker.answers("service inspect *")


def test_services_are_listed_by_name(docker: Docker) -> None:
    listed(docker, "worker 1/1, user 0/1")
    assert stack.services() == [Service("user", 0, 1), Service("worker", 1, 1)]
    listed(docker, "")
    assert stack.services() == []


def test_each_service_is_told_of_when_it_becomes_healthy(docker: Docker) -> None:
    listed(docker, "worker 0/1, user 1/1", "worker 1/1, user 1/1")
    said: list[str] = []
    stack.wait_until_healthy(60, said.append)
    assert said == ["user is healthy", "worker is healthy"]


def test_a_service_that_is_being_replaced_is_not_up_yet(docker: Docker) -> None:
    listed(docker, "worker 1/1")
    docker.answers(
        "service inspect *",
        "test -e seen && echo 'cfiddle_worker completed' || echo 'cfiddle_worker updating'; >seen",
    )
    stack.wait_until_healthy(60, lambda text: None)
    assert len([call for call in docker.calls if call[:2] == ["service", "inspect"]]) == 2


def test_a_service_that_stays_ill_is_named_with_its_last_words(docker: Docker) -> None:
    listed(docker, "user 1/1, worker 0/1")
    docker.answers("service ps *", "printf 'Failed 1\\nFailed 2\\nFailed 3\\nFailed 4\\n'")
    docker.answers("service logs *", "echo 'slurmd: no munge' >&2")
    with pytest.raises(NotHealthy) as caught:
        stack.wait_until_healthy(0, lambda text: None)
    words = str(caught.value)
    assert "The service worker is not healthy after 0 seconds" in words
    assert "Failed 1 | Failed 2 | Failed 3\n" in words
    assert words.endswith("slurmd: no munge")


def test_a_services_container_is_found_or_missed(docker: Docker) -> None:
    docker.answers("ps *", "echo 0123; echo 4567")
    assert stack.container_of("user") == "0123"
    assert docker.calls[0][-1] == "--filter=label=com.docker.swarm.service.name=cfiddle_user"
    docker.answers("ps *")
    with pytest.raises(NotHealthy, match="The service user has no healthy container"):
        stack.container_of("user")


def test_all_is_removed_and_waited_for(docker: Docker) -> None:
    listed(docker, "worker 1/1")
    Path("left").write_text("x")
    docker.answers("stack rm cfiddle")
    docker.answers("ps --all *names*", "cat left; : >left")
    docker.answers("network ls *")
    docker.answers("ps --all --quiet *sandbox*", "echo 0123; echo 4567")
    docker.answers("rm --force *")
    stack.remove()
    assert docker.lines.index("stack rm cfiddle") < docker.lines.index("rm --force 0123 4567")
    assert len([call for call in docker.calls if call[:2] == ["network", "ls"]]) == 2


def test_what_does_not_go_away_is_named(docker: Docker) -> None:
    listed(docker, "")
    docker.answers("ps --all *")
    docker.answers("network ls *", "echo cfiddle_backbone")
    with pytest.raises(NotHealthy, match="do not go away: cfiddle_backbone"):
        stack.remove(seconds=0)


def test_only_our_volumes_are_removed(docker: Docker) -> None:
    docker.answers("volume ls *", "echo cfiddle_home; echo other; echo cfiddle_state")
    docker.answers("volume rm *")
    assert stack.remove_volumes() == ["cfiddle_state", "cfiddle_home"]
    assert docker.lines[-1] == "volume rm cfiddle_state cfiddle_home"
    docker.answers("volume ls *")
    assert stack.remove_volumes() == []


def test_tags_of_older_builds_are_removed_where_nothing_uses_them(engine: Docker) -> None:
    tags = "echo $4:latest; echo $4:0123456789ab; echo $4:old1; echo $4:old2"
    engine.answers("image ls *", tags)
    engine.answers("image rm *old1", "echo 'is being used' >&2; exit 1")
    engine.answers("image rm *old2")
    stack.remove_old_tags()
    removed = [call[2] for call in engine.calls if call[:2] == ["image", "rm"]]
    assert removed == [f"{image.name}:{tag}" for image in IMAGES for tag in ("old1", "old2")]
