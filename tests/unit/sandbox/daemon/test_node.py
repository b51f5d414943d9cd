"""sandboxd's tidying: at once where it is needed, and never while an experiment runs."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cfiddle_slurm.sandbox.daemon import node as node_module
from cfiddle_slurm.sandbox.daemon import readiness
from cfiddle_slurm.sandbox.daemon.container_config import Place
from cfiddle_slurm.sandbox.daemon.engine import EngineAddress, EngineError
from cfiddle_slurm.sandbox.daemon.job_registry import Registry
from cfiddle_slurm.sandbox.daemon.node import Node
from cfiddle_slurm.sandbox.policy import Policy
from tests.patience import wait_until
from tests.unit.sandbox.daemon.test_daemon import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def node(tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Node:
    for name in ("SWEEP_SECONDS", "LOOK_SECONDS", "DOUBT_SECONDS"):
        monkeypatch.setattr(node_module, name, 0.02)
    monkeypatch.setattr(readiness, "TRIAL_SECONDS", 0.02)
    registry = Registry(tmp_path, os.geteuid())
    place, state = Place("0", "{}"), readiness.Readiness(tmp_path / "state")
    return Node(Policy(free_bytes=1), registry, EngineAddress(), place, 0, state, engine)  # type: ignore[arg-type]


@contextmanager
def tidied(node: Node) -> Iterator[threading.Thread]:
    """The thread that tidies."""
    stop = threading.Event()
    thread = threading.Thread(target=node.tidy, args=(stop,), daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        node.untidy.set()  # it need not wait for its next look
        thread.join(5)
        assert not thread.is_alive()


def sleeps(thread: threading.Thread) -> int:
    """How often a thread has gone to sleep, and so has been awake (proc_pid_status(5))."""
    text = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def looks(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times of all looks from now on."""
    times: list[float] = []
    look = node.look

    def noted() -> None:
        times.append(time.monotonic())
        look()

    monkeypatch.setattr(node, "look", noted)
    return times


def falls_asleep(thread: threading.Thread) -> bool:
    """Whether it comes to sleep for longer than a second, once it has done what it was about to."""

    def sleeps_on() -> bool:
        before = sleeps(thread)
        time.sleep(1.5)
        return sleeps(thread) == before

    return wait_until(sleeps_on, 8)


def test_while_an_experiment_runs_it_is_asleep(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = looks(node, monkeypatch)
    with tidied(node) as thread:
        assert wait_until(lambda: len(seen) > 3, 5), "it looks again and again"
        with node.slot(5, lambda: False):
            node.untidy.set()
            assert falls_asleep(thread)
            count = len(seen)
        assert wait_until(lambda: len(seen) > count, 5), "and after it again"


def test_between_two_looks_it_is_asleep(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "LOOK_SECONDS", 60)
    with tidied(node) as thread:
        assert falls_asleep(thread)


def test_what_may_be_left_is_swept_without_waiting_for_a_look(
    node: Node, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "LOOK_SECONDS", 60)
    engine.there.append("left")
    with tidied(node):
        time.sleep(0.1)
        assert engine.there == ["left"], "nobody has said so"
        node.untidy.set()
        assert wait_until(lambda: engine.there == [], 5)


def test_an_engine_that_fails_is_asked_again(
    node: Node, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "LOOK_SECONDS", 60)
    engine.there.append("left")
    engine.trouble = "list"
    with tidied(node):
        node.fail(EngineError("It does not answer.", "no answer"))
        assert wait_until(lambda: node.readiness.cause == "The engine does not answer.", 5)
        assert engine.there == ["left"]
        engine.trouble = ""
        assert wait_until(lambda: node.readiness.cause is None, 5)
        assert engine.there == []
        assert engine.created, "a sandbox has been tried"


def test_after_a_run_that_failed_it_looks_soon_until_a_look_goes_well(
    node: Node, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "LOOK_SECONDS", 60)
    engine.trouble = "create"
    seen = looks(node, monkeypatch)
    with tidied(node):
        node.fail(EngineError("It cannot create.", "cannot create"))
        assert wait_until(lambda: len(seen) > 3, 5)
        assert node.readiness.cause is not None
        engine.trouble = ""
        assert wait_until(lambda: node.readiness.cause is None, 5)
        count = len(seen)
        time.sleep(0.2)
        assert len(seen) <= count + 1
