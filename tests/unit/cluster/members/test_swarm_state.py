"""What is said of a swarm that does not answer: its reason, and nothing that would lose data."""

from typing import Any

import pytest

from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.members import swarm_state
from tests.unit.cluster.conftest import HEAD, Program

# As Docker 26.1 says it of a machine whose certificate has expired, and of a locked one.
EXPIRED: dict[str, Any] = {
    "NodeID": "", "NodeAddr": "127.0.0.1", "LocalNodeState": "error", "ControlAvailable": False,
    "Error": "error while loading TLS certificate in /var/lib/docker/swarm/certificates/swarm-node."
    "crt: certificate (1 - p0d24x7jmyvaad7i48dgg9s7f) not valid after Wed, 01 Apr 2026 00:00:00"
    " UTC, and it is currently Fri, 27 Nov 2026 13:54:23 UTC: x509: certificate has expired or is"
    " not yet valid: ",
    "RemoteManagers": None,
}  # fmt: skip
LOCKED: dict[str, Any] = {
    "NodeID": "", "NodeAddr": "127.0.0.1", "LocalNodeState": "locked", "ControlAvailable": False,
    "Error": "Swarm is encrypted and needs to be unlocked before it can be used. Please use"
    ' "docker swarm unlock" to unlock it.', "RemoteManagers": None,
}  # fmt: skip
ADVICE = "Swarm certificates have expired. To replace them, leave the swarm and join again."


def trouble(facts: dict[str, Any], **others: Any) -> str:
    one = {**facts, **others}
    return swarm_state.trouble_of(
        "h", one["LocalNodeState"], one["Error"], manages=one["ControlAvailable"]
    )


def test_what_answers_has_no_trouble() -> None:
    assert swarm_state.trouble_of("h", "active", "", manages=True) == ""
    assert swarm_state.trouble_of("h", "inactive", "", manages=False) == ""


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (trouble(EXPIRED), "The certificates of the swarm on h have expired: `up` renews them"),
        (trouble(EXPIRED, Error=ADVICE), "have expired: `up` renews them"),
        (trouble(LOCKED), "The swarm on h is locked: `docker swarm unlock` on it unlocks it."),
        (trouble(EXPIRED, Error="no space left"), "does not start: no space left. Restart Docker"),
        (trouble(EXPIRED, Error=""), "does not start: Docker gives no reason."),
        (trouble(EXPIRED, LocalNodeState="pending", Error="no quorum"),
         "is not ready yet (no quorum): try again"),
        (trouble(EXPIRED, LocalNodeState="active"), "h is a worker in the swarm of another head"),
    ],
)  # fmt: skip
def test_a_swarm_that_does_not_answer_is_told_with_its_reason(found: str, words: str) -> None:
    assert words in found
    # Nobody is told to do what would lose services and secrets.
    assert "leave" not in found or "Do not let it leave" in found or "nobody needs it" in found


def test_only_expired_certificates_are_expired() -> None:
    assert swarm_state.is_expired(EXPIRED["Error"]) and swarm_state.is_expired(ADVICE)
    assert not swarm_state.is_expired(LOCKED["Error"])


def test_a_head_is_asked_once(docker: Program) -> None:
    docker.answers("info *", "echo '/|locked|false|a|b'")
    with pytest.raises(MachineError, match="is locked"):
        swarm_state.check(HEAD)
    docker.answers("info *", "echo '/|active|true|'")
    swarm_state.check(HEAD)
    assert len(docker.calls) == 2
