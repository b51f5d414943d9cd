"""Docker accepts every form of the compose files, for clusters of any size."""

import pytest

from cfiddle_slurm.cluster.services import rendering
from cfiddle_slurm.cluster.site.config import Config

from .conftest import HEAD

TWELVE = tuple(f"w{number}" for number in range(12))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config(), ("name: cfiddle_home",)),
        (Config(head="h", workers=("w1",), home="bind", home_path="/srv/x"), ("device: /srv/x",)),
        (Config(head="h", workers=TWELVE, home="bind"), ("o: bind",)),
        (Config(head="h", workers=("w1",), home="nfs"), ("addr=h", "type: nfs")),
        (Config(head="h", workers=TWELVE, home="nfs", nfs_server="nas"), ("addr=nas",)),
    ],
    ids=str,
)
def test_docker_accepts_the_compose_files(config: Config, words: tuple[str, ...]) -> None:
    variables = rendering.environment(config, "cfiddle-cluster:1", "cfiddle-user:1", 0)
    for part in (rendering.ALL_BUT_USER_NODE, rendering.USER_NODE):
        rendered = HEAD.docker(
            "stack", "config", *rendering.compose_files(config, part), env=variables
        )
        assert "${" not in rendered
        for word in (*words, f"cfiddle.user: {variables[rendering.EDITION]}"):
            assert word in rendered
        assert ("cfiddle_config_slurm_conf_" in rendered) is (part == rendering.ALL_BUT_USER_NODE)
