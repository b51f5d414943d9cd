"""Parts of what `docker stack config` prints."""

import pytest

from cfiddle_slurm.cluster.services import compose

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
    assert compose.only(TEXT, names) == TEXT.replace(gone, "", 1)
