"""What a machine tells about itself."""

import errno
import json
import os
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from cfiddle_slurm.sandbox.guest import machine

if TYPE_CHECKING:
    from cfiddle_slurm.sandbox.status import Perf

PAGE_FAULTS = 2
"""PERF_COUNT_SW_PAGE_FAULTS of linux/perf_event.h."""
# The beginnings of real machines' /proc/cpuinfo.
INTEL = """\
processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 106
model name\t: Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz
stepping\t: 6
"""
POWER = """\
processor\t: 0
cpu\t\t: POWER9, altivec supported
clock\t\t: 2300.000000MHz
"""
RASPBERRY = """\
processor\t: 0
BogoMIPS\t: 108.00
CPU part\t: 0xd08

Hardware\t: BCM2835
Model\t\t: Raspberry Pi 4 Model B Rev 1.4
"""
GRAVITON = """\
processor\t: 0
BogoMIPS\t: 243.75
CPU implementer\t: 0x41
CPU part\t: 0xd0c
"""


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (INTEL, "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"),
        (POWER, "POWER9, altivec supported"),
        (RASPBERRY, "Raspberry Pi 4 Model B Rev 1.4"),
        ("model name\t: a: b\n", "a: b"),
        (GRAVITON, None),
        ("", None),
        ("garbage", None),
    ],
)
def test_the_processors_name(text: str, model: str | None) -> None:
    assert machine.cpu_model(text) == model


def refusing(monkeypatch: pytest.MonkeyPatch, software: int, hardware: int) -> "Perf":
    """The answer of a kernel that refuses events with these error numbers."""
    answers = {machine._TYPE_SOFTWARE: software, machine._TYPE_HARDWARE: hardware}
    monkeypatch.setattr(machine, "open_perf_event", lambda kind, config: answers[kind])
    return machine.perf_availability()


def test_counters_work_or_it_is_said_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusing(monkeypatch, 0, 0)["status"] == "works"
    without = refusing(monkeypatch, 0, errno.ENOENT)
    assert without["status"] == "no_pmu"
    assert "No such file or directory" in without["detail"]
    refused = refusing(monkeypatch, errno.EACCES, errno.EACCES)
    assert refused["status"] == "refused"
    assert "Permission denied; perf_event_paranoid is " in refused["detail"]


def test_a_processor_whose_system_calls_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="abacus"))
    assert machine.open_perf_event(1, 2) == errno.ENOSYS


def test_an_event_that_does_not_exist_is_refused_by_the_kernel() -> None:
    there = machine.open_perf_event(machine._TYPE_SOFTWARE, PAGE_FAULTS)
    absent = machine.open_perf_event(machine._TYPE_SOFTWARE, 1 << 40)
    if there == 0:
        assert absent == errno.ENOENT
    else:  # a machine that opens no counter to this account refuses both alike
        assert os.geteuid() != 0
        assert absent == there in (errno.EACCES, errno.EPERM)


def test_this_machine_as_it_is_reported() -> None:
    found = machine.machine()
    assert set(found) == {"cpu_model", "kernel", "governor"}
    assert found["kernel"] == platform.release()
    assert json.loads(json.dumps(found)) == found


def test_what_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    assert machine._read(str(tmp_path / "none")) is None
    (tmp_path / "governor").write_text("performance\n")
    assert machine._read(str(tmp_path / "governor")) == "performance"


@pytest.mark.parametrize(
    ("level", "needed"),
    [
        ("-1", False),
        ("0", False),
        ("1", False),
        ("2", True),
        ("4", True),
        (None, True),
        ("?", True),
    ],
)
def test_counters_need_a_capability_where_the_kernel_is_strict(
    monkeypatch: pytest.MonkeyPatch, level: str | None, needed: bool
) -> None:
    monkeypatch.setattr(machine, "_read", lambda _: level)
    assert machine.counters_need_capability() is needed
