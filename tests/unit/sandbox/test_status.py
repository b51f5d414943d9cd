"""What report.json holds, and that each of its keys has a reader."""

from typing import Any

import pytest

from cfiddle_slurm.report import RunReport
from cfiddle_slurm.run.outcomes import error_of_outcome
from cfiddle_slurm.sandbox.guest.__main__ import status as last_word
from cfiddle_slurm.sandbox.protocol import OutcomeKind
from cfiddle_slurm.sandbox.status import final, measured, number, outcome


class Noticing(dict[str, Any]):
    """A table that notes which of its keys are asked for."""

    def __init__(self, content: Any) -> None:
        super().__init__(
            {key: Noticing(value) if isinstance(value, dict) else value
             for key, value in content.items()}
        )  # fmt: skip
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def whole() -> Any:
    """A status with everything in it."""
    guest = last_word(outcome(OutcomeKind.OK), 1.5)
    seen = measured(
        guest,
        wall_seconds=2.0,
        startup_seconds=0.25,
        container_cpu_seconds=1.75,
        memory_peak_bytes=3 << 20,
    )
    return final(
        outcome(OutcomeKind.EXITED, "It ended.", None, 3),
        run_id="0123456789abcdef",
        job_id="7",
        node="worker1",
        container="c0ffee",
        image="an:image",
        cores="2-3",
        measured=seen,
        guest=guest,
    )


def test_each_key_has_a_reader() -> None:
    status, unmeasured = Noticing(whole()), Noticing({**whole(), "measured": None})
    for each in (status, unmeasured):
        RunReport.of(
            each, scheduler="slurm", submitted=0.0, started=None, finished=1.0, collected=2.0
        )
    assert error_of_outcome(status) is not None
    assert status.asked == set(status)
    assert status["outcome"].asked == set(status["outcome"])
    assert status["measured"].asked == set(status["measured"])
    guest = status["guest"]
    # sandboxd judges by its outcome; the notebook need not.
    assert guest.asked | unmeasured["guest"].asked == set(guest) - {"outcome"}
    assert guest["perf"].asked == set(guest["perf"])


def test_what_is_not_known_is_none() -> None:
    status = final(outcome(OutcomeKind.BUSY, "It is busy."), run_id="ab")
    assert status == {
        "run_id": "ab",
        "outcome": {"kind": "busy", "message": "It is busy.", "signal": None, "code": None},
        "container": None,
        "image": None,
        "cores": None,
        "measured": None,
        "guest": None,
        "versions": {},
    }
    assert set(whole()) == set(status) | {"job_id", "node"}


def test_what_is_known_from_outside_comes_first() -> None:
    guest: Any = {"cpu_seconds": 9.0, "max_rss_bytes": 5}
    here = measured(guest, wall_seconds=1.0, startup_seconds=None)
    assert (here["cpu_seconds"], here["memory_peak_bytes"]) == (9.0, 5)
    there = measured(guest, wall_seconds=1.0, startup_seconds=None, memory_peak_bytes=7)
    assert there["memory_peak_bytes"] == 7
    assert measured(None, wall_seconds=None, startup_seconds=None)["cpu_seconds"] is None


@pytest.mark.parametrize("forged", [True, "1", None, [1], {}])
def test_a_guest_that_says_no_number_has_said_nothing(forged: Any) -> None:
    assert number(forged) is None
    guest: Any = {"cpu_seconds": forged, "max_rss_bytes": forged}
    seen = measured(guest, wall_seconds=1.0, startup_seconds=1.0)
    assert (seen["cpu_seconds"], seen["memory_peak_bytes"]) == (None, None)


def test_a_long_message_is_cut() -> None:
    assert len(outcome(OutcomeKind.REFUSED, "x" * 9000)["message"]) == 2000
