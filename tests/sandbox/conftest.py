"""Fixtures of the tests against a real engine and the real image."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cfiddle_slurm.sandbox.daemon.engine import Engine, EngineAddress, EngineError
from tests.patience import wait_until
from tests.sandbox.harness import IMAGE, Experiments, Sandboxd


@pytest.fixture(scope="session", autouse=True)
def engine_with_image() -> None:
    """There is an engine, and it has the image: without them, nothing here means anything."""
    engine = Engine(EngineAddress())
    try:
        engine.check(IMAGE)
    except EngineError as error:
        pytest.fail(f"{error}: run `make images` first.")
    finally:
        engine.close()


@pytest.fixture(scope="session")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Experiments:
    """Bundles of attacks.cpp, compiled once."""
    return Experiments(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="session")
def shared_sandboxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandboxd]:
    """One daemon for all tests that leave it as it is."""
    with Sandboxd(tmp_path_factory.mktemp("sandboxd")) as daemon:
        daemon.start()
        yield daemon
        assert daemon.stop() == 0
        assert not daemon.socket.exists()
        assert daemon.containers() == []
        assert "Traceback" not in daemon.log.read_text()


@pytest.fixture
def sandboxd(shared_sandboxd: Sandboxd) -> Iterator[Sandboxd]:
    """The shared daemon; after the test nothing may be left of its runs."""
    yield shared_sandboxd
    assert wait_until(lambda: shared_sandboxd.containers() == [], 5)


@pytest.fixture
def own_sandboxd(tmp_path: Path) -> Iterator[Sandboxd]:
    """A daemon that a test may kill; not started yet."""
    with Sandboxd(tmp_path) as daemon:
        yield daemon
        if daemon.running:
            daemon.stop()
        assert daemon.containers() == []
