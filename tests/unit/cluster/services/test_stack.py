"""The cluster's services, as Docker tells of them."""

import json
import re
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.image.content import digest
from cfiddle_slurm.cluster.image.images import CLUSTER, USER
from cfiddle_slurm.cluster.services import credentials, rendering, stack
from cfiddle_slurm.cluster.services.stack import NotHealthy, Service
from cfiddle_slurm.cluster.site.config import Config, ConfigError
from cfiddle_slurm.sandbox.policy import Policy
from tests.unit.cluster.conftest import HEAD, Program
from tests.unit.cluster.image_facts import facts, inspected

PARTS = (rendering.ALL_BUT_USER_NODE, rendering.USER_NODE)
CONFIGS = [
    Config(home="volume"),
    Config(home="bind", home_path="/shared"),
    Config(head="h", workers=("w1",), home="nfs"),
]


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


def places(config: Config, part: str = rendering.ALL_BUT_USER_NODE) -> list[Path]:
    options = rendering.compose_files(config, part)
    assert all(option.startswith("--compose-file=") for option in options)
    return [Path(option.removeprefix("--compose-file=")) for option in options]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_compose_files_are_those_of_the_kit(config: Config) -> None:
    over = [] if config.home == "volume" else [f"{config.home}.yml"]
    for part in ("stack.yml", "user.yml"):
        found = places(config, part)
        assert [path.name for path in found] == [part, *over]  # the later is laid over
        assert all(path.is_file() for path in found)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_compose_files_variables_are_all_given(config: Config) -> None:
    texts = [path.read_text() for part in PARTS for path in places(config, part)]
    wanted = {name for text in texts for name in re.findall(r"\$\{(CFIDDLE_\w+)", text)}
    found = rendering.environment(config, "image1", "image2", 1)
    assert len(wanted) >= 7
    assert [name for name in wanted if not found.get(name)] == []
    assert "PATH" in found  # docker itself needs what this process has


def test_the_variables_are_what_the_file_says() -> None:
    config = Config(
        head="h", workers=("w1",), home="nfs", home_path="/export", nfs_server="nas",
        jupyter_port=8000, policy=Policy(wall_seconds=100),
    )  # fmt: skip
    found = rendering.environment(config, "image1", "image2", 1)
    assert found["CFIDDLE_CLUSTER_IMAGE"] == "image1"
    assert found["CFIDDLE_USER_IMAGE"] == "image2"
    assert found["CFIDDLE_JUPYTER_PORT"] == "8000"
    assert found["CFIDDLE_HOME_PATH"] == "/export"
    assert found["CFIDDLE_NFS_SERVER"] == "nas"
    # The engine waits a little longer than a worker does for its run.
    assert (found["CFIDDLE_RETIRE_SECONDS"], found["CFIDDLE_STOP_GRACE"]) == ("160", "190s")
    exported = Config(head="h", workers=("w1",), home="nfs", advertise="10.0.0.1")
    assert rendering.environment(exported, "", "", 1)["CFIDDLE_NFS_SERVER"] == "10.0.0.1"


def test_names_in_the_stack_are_those_of_the_package() -> None:
    texts = [places(Config(), part)[0].read_text() for part in PARTS]
    named = "".join(text.partition("\nvolumes:\n")[2] for text in texts)
    volumes = set(re.findall(r"name: (cfiddle_\w+)", named))
    # The registry is no service of the stack: it is there before the stack is.
    assert volumes - set(credentials.ALL) == set(stack.VOLUMES) - {"cfiddle_registry"}
    assert set(credentials.ALL) < volumes


@pytest.fixture
def engine(docker: Program) -> Program:
    for name in ("cluster", "user"):
        Path(f"{name}.json").write_text(inspected(facts(name)))
        docker.answers(f"image inspect cfiddle-{name}:latest", f"cat {name}.json")
    docker.answers("tag *")
    docker.answers("config ls *")
    docker.answers("config create *")
    docker.answers("info *", "echo 16000000000")
    docker.answers("stack deploy *", 'env | grep "^CFIDDLE_" >environment')
    return docker


def test_an_image_gets_a_tag_of_its_content(engine: Program) -> None:
    tag = CLUSTER.tag_of(digest(facts("cluster")))
    assert stack.versioned(HEAD, CLUSTER) == tag
    assert engine.lines[-1] == f"tag cfiddle-cluster:latest {tag}"


@pytest.mark.parametrize("config", CONFIGS)
def test_the_stack_is_deployed_with_its_configuration(engine: Program, config: Config) -> None:
    variables = stack.deploy(HEAD, config)
    for file in rendering.configuration(config):
        assert engine.input_of("config", "create", file.name, "-") == file.text.encode()
    assert engine.calls[-1][:3] == ["stack", "deploy", "--resolve-image=never"]
    assert engine.calls[-1][-1] == "cfiddle"
    assert set(rendering.compose_files(config)) < set(engine.calls[-1])
    environment = Path("environment").read_text().splitlines()
    assert f"CFIDDLE_USER_IMAGE={USER.tag_of(digest(facts('user')))}" in environment
    assert f"CFIDDLE_HOME_PATH={config.home_path}" in environment
    assert "CFIDDLE_USER_MEMORY=12000000000" in environment
    assert not [line for line in engine.lines if "user.yml" in line]
    stack.deploy_user_node(HEAD, config, variables)
    assert set(rendering.compose_files(config, "user.yml")) < set(engine.calls[-1])
    assert "stack.yml" not in engine.lines[-1]
    assert "--prune" not in "".join(engine.lines)  # it would remove the other part
    assert Path("environment").read_text().splitlines() == environment


def test_a_part_can_be_deployed_alone(engine: Program) -> None:
    engine.answers("stack config *", "printf 'services:\\n  a:\\n    x: 1\\n  b:\\n    x: 2\\n'")
    stack.deploy(HEAD, Config(), ["b"])
    assert engine.calls[-1][-2:] == ["--compose-file=-", "cfiddle"]
    assert engine.input_of(*engine.calls[-1]) == b"services:\n  b:\n    x: 2"


def test_the_user_node_may_use_as_much_as_the_file_says(engine: Program) -> None:
    assert stack.user_memory(HEAD, Config(user_memory=1 << 30)) == 1 << 30
    assert engine.calls == []


def test_only_configuration_that_changed_is_made_anew(engine: Program) -> None:
    slurm_conf, policy = rendering.configuration(Config())
    engine.answers("config ls *", f"echo {policy.name}; echo cfiddle_config_slurm_conf_older")
    stack.deploy(HEAD, Config())
    assert engine.those("create") == [f"config create {slurm_conf.name} -"]


def test_old_configuration_is_removed_where_nothing_uses_it(engine: Program) -> None:
    kept = [file.name for file in rendering.configuration(Config())]
    names = [*kept, "cfiddle_config_old1", "cfiddle_config_old2", "cfiddle_other", "another"]
    engine.answers("config ls *", "\n".join(f"echo {name}" for name in names))
    engine.answers("config rm *old1", "echo 'is in use' >&2; exit 1")
    engine.answers("config rm *old2")
    stack.remove_old_configuration(HEAD, Config())
    assert engine.those("rm") == ["config rm cfiddle_config_old1", "config rm cfiddle_config_old2"]


def test_an_image_that_is_not_built_cannot_be_deployed(engine: Program) -> None:
    engine.answers("image inspect *", "echo 'No such image' >&2; exit 1")
    with pytest.raises(MachineError, match="has no image cfiddle-cluster"):
        stack.deploy(HEAD, Config())


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (CONFIGS[0], []),
        (CONFIGS[1], ["--opt=type=none", "--opt=o=bind", "--opt=device=/shared"]),
    ],
)
def test_the_homes_are_made_as_the_file_says(
    docker: Program, config: Config, options: list[str]
) -> None:
    docker.answers("volume inspect *", "exit 1")
    docker.answers("volume create *")
    stack.ensure_home(HEAD, config)
    assert docker.calls[-1] == ["volume", "create", "--driver=local", *options, "cfiddle_home"]


def test_homes_that_are_there_stay(docker: Program) -> None:
    docker.answers("volume inspect *", "echo null")
    stack.ensure_home(HEAD, Config())
    docker.answers("volume inspect *", """echo '{"device":"/shared","o":"bind","type":"none"}'""")
    stack.ensure_home(HEAD, CONFIGS[1])
    assert docker.those("create") == []
    # Else the homes of one kind would seem to be lost after a change to the other.
    with pytest.raises(ConfigError, match="homes on this machine are in /shared, and cl"):
        stack.ensure_home(HEAD, Config())


def listed(docker: Program, *services: str) -> None:
    """Have the engine list services ("worker 1/1"), one list after the other, the last for ever."""
    for number, found in enumerate(services):
        names = [one.split() for one in found.split(", ") if one]
        Path(f"list{number}").write_text(
            "\n".join(line(f"cfiddle_{name}", replicas) for name, replicas in names)
        )
    docker.answers("service ls *", "cat list0; test -e list1 && mv list1 list0; true")
    docker.answers("service inspect *")


def test_services_are_listed_by_name(docker: Program) -> None:
    listed(docker, "worker 1/1, user 0/1")
    assert stack.services(HEAD) == [Service("user", 0, 1), Service("worker", 1, 1)]
    listed(docker, "")
    assert stack.services(HEAD) == []


def test_each_service_is_told_of_when_it_becomes_healthy(docker: Program) -> None:
    listed(docker, "worker 0/1, user 1/1", "worker 1/1, user 1/1")
    said: list[str] = []
    stack.wait_until_healthy(HEAD, 60, said.append)
    assert said == ["user is healthy", "worker is healthy"]


def test_a_service_that_is_being_replaced_is_not_up_yet(docker: Program) -> None:
    listed(docker, "worker 1/1")
    docker.answers(
        "service inspect *",
        "test -e seen && echo 'cfiddle_worker|completed' || echo 'cfiddle_worker|updating'; >seen",
    )
    stack.wait_until_healthy(HEAD, 60, lambda text: None)
    assert len([call for call in docker.calls if call[:2] == ["service", "inspect"]]) == 2


def test_a_service_that_stays_ill_is_named_with_its_last_words(docker: Program) -> None:
    listed(docker, "user 1/1, worker 0/1")
    docker.answers("service ps *", "printf 'Failed 1\\nFailed 2\\nFailed 3\\nFailed 4\\n'")
    docker.answers("service logs *", "echo 'slurmd: no munge' >&2")
    with pytest.raises(NotHealthy) as caught:
        stack.wait_until_healthy(HEAD, 0, lambda text: None)
    words = str(caught.value)
    assert "The service worker is not healthy after 0 seconds" in words
    assert "Failed 1 | Failed 2 | Failed 3\n" in words
    assert words.endswith("slurmd: no munge")


def test_a_services_container_is_found_or_missed(docker: Program) -> None:
    docker.answers("ps *", "echo 0123; echo 4567")
    assert stack.container_on(HEAD, "user") == "0123"
    assert docker.calls[0][-1] == "--filter=label=com.docker.swarm.service.name=cfiddle_user"
    docker.answers("ps *")
    with pytest.raises(NotHealthy, match="The service user has no healthy container"):
        stack.container_on(HEAD, "user")


def test_all_is_removed_and_waited_for(docker: Program) -> None:
    listed(docker, "worker 1/1")
    Path("left").write_text("x")
    docker.answers("stack rm cfiddle")
    docker.answers("ps --all *names*", "cat left; : >left")
    docker.answers("network ls *")
    docker.answers("ps --all --quiet *sandbox*", "echo 0123; echo 4567")
    docker.answers("rm --force *")
    docker.answers("config ls *", "echo cfiddle_config_x; echo another")
    docker.answers("config rm cfiddle_config_x")
    stack.remove(HEAD)
    assert docker.lines.index("stack rm cfiddle") < docker.lines.index("rm --force 0123 4567")
    assert len([call for call in docker.calls if call[:2] == ["network", "ls"]]) == 2


def test_what_does_not_go_away_is_named(docker: Program) -> None:
    listed(docker, "")
    docker.answers("ps --all *")
    docker.answers("network ls *", "echo cfiddle_backbone")
    with pytest.raises(NotHealthy, match="could not be removed on this machine: cfiddle_backbone"):
        stack.remove(HEAD, seconds=0)


def test_only_our_volumes_are_removed(docker: Program) -> None:
    docker.answers("volume ls *", "echo cfiddle_home; echo other; echo cfiddle_state")
    docker.answers("volume rm *")
    stack.remove_volumes(HEAD)
    assert docker.lines[-1] == "volume rm cfiddle_state cfiddle_home"
    docker.answers("volume ls *")
    stack.remove_volumes(HEAD)
    assert docker.lines[-1].startswith("volume ls")
