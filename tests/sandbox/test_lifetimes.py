"""A container lives no longer than its caller, its job, and its daemon."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cfiddle_slurm.bundle.archive import Member
from tests.patience import wait_until
from tests.sandbox.harness import POLICY, SECCOMP, Experiments, Sandboxd

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_client_takes_its_container_along(
    sandboxd: Sandboxd, experiments: Experiments, number: int
) -> None:
    job = sandboxd.run_sleeping(experiments)
    assert job.process is not None
    job.process.send_signal(number)
    assert wait_until(lambda: sandboxd.containers() == [], 2)
    assert job.process.wait(2) == -number
    assert not (job.folder / "report.json").exists()


def test_a_job_that_is_unregistered(sandboxd: Sandboxd, experiments: Experiments) -> None:
    job = sandboxd.run_sleeping(experiments)
    sandboxd.unregister(job.job_id)
    assert job.report(4)["outcome"]["kind"] == "cancelled"
    assert sandboxd.containers() == []


def test_release_ends_a_run_and_answers_when_it_is_gone(
    sandboxd: Sandboxd, experiments: Experiments
) -> None:
    job = sandboxd.run_sleeping(experiments)
    began = time.monotonic()
    assert sandboxd.ask("release", job.job_id).returncode == 0
    assert sandboxd.containers() == []
    assert time.monotonic() - began < 2
    assert job.report(2)["outcome"]["kind"] == "cancelled"


def test_release_of_a_job_without_runs(sandboxd: Sandboxd) -> None:
    answer = sandboxd.ask("release", "999999")
    assert (answer.returncode, answer.stderr) == (0, "")


def test_ping(sandboxd: Sandboxd) -> None:
    answer = sandboxd.ask("ping")
    assert answer.returncode == 0 and "ready" in answer.stdout


def test_a_second_run_waits_for_the_first(sandboxd: Sandboxd, experiments: Experiments) -> None:
    first = sandboxd.run(experiments.bundle("sleep_for", 2, name="seconds"))
    log = first.folder / "output.log"
    assert wait_until(lambda: log.exists() and log.stat().st_size > 0, 10)
    second = sandboxd.run(experiments.bundle("loop", 5))
    time.sleep(0.5)
    assert len(sandboxd.containers()) == 1
    assert (first.kind(), second.kind()) == ("ok", "ok")
    assert second.report()["measured"]["startup_seconds"] > 1


def test_refusals(sandboxd: Sandboxd, experiments: Experiments) -> None:
    bundle = experiments.bundle("loop", 5)
    other = sandboxd.job(bundle)
    sandboxd.register(other.job_id, uid=os.geteuid() + 1)
    for job, words in (
        (sandboxd.run(bundle, image="debian:trixie-slim"), "is not allowed on this cluster"),
        (sandboxd.run(bundle, memory_bytes=1 << 40), "above the allowed"),
        (sandboxd.run(bundle, wall_seconds=31), "above the allowed"),
        (sandboxd.run(bundle, run_id="../../x"), "run id"),
        (sandboxd.run(bundle, privileged=True), "'privileged'"),
        (sandboxd.run(bundle, register=False), "is not running on this node"),
        (sandboxd.submit(other), "does not belong to user"),
    ):
        outcome = job.report()["outcome"]
        assert outcome["kind"] == "refused", outcome
        assert words in outcome["message"]
    assert sandboxd.containers() == []


def test_a_run_is_started_once_only(sandboxd: Sandboxd, experiments: Experiments) -> None:
    job = sandboxd.run(experiments.bundle("loop", 5))
    container = job.report()["container"]
    again = sandboxd.submit(job)
    assert again.process is not None and again.process.wait(10) == 0
    assert job.report()["container"] == container
    (job.folder / "report.json").unlink()
    again = sandboxd.submit(job)
    assert again.process is not None and again.process.wait(10) == 1, "nobody will report of it"
    assert not (job.folder / "report.json").exists()


def test_a_bundle_beyond_the_limit(
    sandboxd: Sandboxd, experiments: Experiments, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    with big.open("wb") as stream:
        stream.truncate(70 << 20)
    bundle = [*experiments.bundle("loop", 5), Member("files/big", big)]
    outcome = sandboxd.run(bundle).report()["outcome"]
    assert (outcome["kind"], "64 MiB" in outcome["message"]) == ("refused", True)


def test_a_bundle_that_is_no_bundle(sandboxd: Sandboxd) -> None:
    job = sandboxd.job([])
    (job.folder / "bundle.tar").write_bytes(os.urandom(3 << 20))
    assert sandboxd.submit(job).kind() == "guest_error"


def test_orphans_are_swept_when_sandboxd_starts_again(
    own_sandboxd: Sandboxd, experiments: Experiments
) -> None:
    own_sandboxd.start()
    job = own_sandboxd.run_sleeping(experiments)
    own_sandboxd.stop(signal.SIGKILL)
    assert job.report(5)["outcome"]["kind"] == "unavailable"
    own_sandboxd.start()
    assert own_sandboxd.containers() == []
    assert own_sandboxd.run(experiments.bundle("loop", 5)).kind() == "ok"


def test_a_stop_ends_runs_and_removes_the_socket(
    own_sandboxd: Sandboxd, experiments: Experiments
) -> None:
    own_sandboxd.start()
    job = own_sandboxd.run_sleeping(experiments)
    assert own_sandboxd.stop() == 0
    assert own_sandboxd.containers() == []
    assert not own_sandboxd.socket.exists()
    outcome = job.report(5)["outcome"]
    assert (outcome["kind"], "stopped" in outcome["message"]) == ("cancelled", True)
    assert own_sandboxd.ask("ping").returncode == 1
    assert own_sandboxd.ask("release", "1").returncode == 1
    assert own_sandboxd.run(experiments.bundle("loop", 5)).kind() == "unavailable"


def test_a_busy_node(tmp_path: Path, experiments: Experiments) -> None:
    policy = POLICY.replace("busy_wait_seconds = 15", "busy_wait_seconds = 0.5")
    with Sandboxd(tmp_path, policy) as daemon:
        daemon.start()
        first = daemon.run_sleeping(experiments)
        assert daemon.run(experiments.bundle("loop", 5)).kind() == "busy"
        assert first.process is not None
        first.process.kill()
        daemon.stop()


def test_a_second_daemon_at_the_same_socket(own_sandboxd: Sandboxd) -> None:
    own_sandboxd.start()
    command = [sys.executable, "-m", "cfiddle_slurm.sandbox.daemon"]
    command += ["--socket", str(own_sandboxd.socket), "--instance", own_sandboxd.instance]
    command += ["--seccomp", str(SECCOMP)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "Another sandboxd answers" in second.stderr
    assert own_sandboxd.ask("ping").returncode == 0
