"""Parts of what `docker stack config` prints."""

import pytest

from cfiddle_slurm.cluster.services import rendering
from cfiddle_slurm.cluster.site.config import Config

TEXT = """\
version: "3.13"
services:
  accounting:
    command:
      - accounting
    networks:
      controller: null
  controller:
    hostname: controller
  database:
    image: x
networks:
  controller:
    driver: overlay
volumes:
  database:
    name: x
"""


@pytest.mark.parametrize(
    ("names", "gone"),
    [
        (("accounting", "controller", "database"), ""),
        (("accounting", "database"), "  controller:\n    hostname: controller\n"),
        (("accounting", "controller"), "  database:\n    image: x\n"),
    ],
)
def test_other_services_go_and_all_else_stays(names: tuple[str, ...], gone: str) -> None:
    assert rendering.only(TEXT, names) == TEXT.replace(gone, "", 1)


def test_the_names_of_a_parts_services() -> None:
    for config in (Config(), Config(home="bind"), Config(workers=("w1",), home="nfs")):
        assert rendering.services(config) == {
            "accounting", "controller", "database", "munge", "munge_user", "sandboxd", "worker",
        }  # fmt: skip
        assert rendering.services(config, rendering.USER_NODE) == {"user"}
