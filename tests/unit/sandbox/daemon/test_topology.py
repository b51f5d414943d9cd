"""The choice of cores, on a page of synthetic machines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.sandbox.daemon.topology import (
    Cpu,
    TopologyError,
    choose_cores,
    format_cpu_list,
    read_topology,
)
from cfiddle_slurm.values import parse_cpu_list


def machine(
    sockets: int, cores: int, threads: int, *, kinds: tuple[int, ...] = (), together: bool = False
) -> list[Cpu]:
    """A machine numbered as Linux does on x86: first threads of all cores first.

    Args:
        kinds: of the cores, counted through all sockets; default all equal.
        together: siblings are neighbours (0,1), as some virtual machines number them.
    """
    found = []
    total = sockets * cores
    for core in range(total):
        numbers = (
            [core * threads + thread for thread in range(threads)]
            if together
            else [core + thread * total for thread in range(threads)]
        )
        kind = kinds[core] if kinds else 0
        found += [
            Cpu(number, min(numbers), frozenset(numbers), core // cores, kind) for number in numbers
        ]
    return found


def everything(cpus: list[Cpu]) -> frozenset[int]:
    return frozenset(cpu.number for cpu in cpus)


@pytest.mark.parametrize(
    ("name", "cpus", "allowed", "chosen"),
    [
        ("one core", machine(1, 1, 1), None, "0"),
        ("one core, two threads", machine(1, 1, 2), None, "0-1"),
        ("two cores: none to spare", machine(1, 2, 1), None, "0-1"),
        ("two cores, four threads", machine(1, 2, 2), None, "0-3"),
        ("four cores: the first is the machine's", machine(1, 4, 1), None, "1-3"),
        ("laptop: four cores, eight threads", machine(1, 4, 2), None, "1-3,5-7"),
        ("virtual machine, siblings side by side", machine(1, 4, 2, together=True), None, "2-7"),
        ("two sockets: the last whole", machine(2, 8, 1), None, "8-15"),
        ("two sockets with threads", machine(2, 4, 2), None, "4-7,12-15"),
        ("four sockets", machine(4, 2, 1), None, "6-7"),
        ("hybrid: only fast cores", machine(1, 6, 1, kinds=(1, 1, 0, 0, 0, 0)), None, "0-1"),
        ("hybrid with slow first", machine(1, 4, 1, kinds=(0, 0, 1, 1)), None, "2-3"),
        ("three kinds", machine(1, 8, 1, kinds=(0, 0, 0, 0, 1, 1, 1, 2)), None, "7"),
        ("a cpuset of half the cores", machine(1, 8, 1), "4-7", "5-7"),
        ("a cpuset that splits a core", machine(1, 4, 2), "0-6", "0-2,4-6"),
        ("a cpuset of single threads only", machine(1, 4, 2), "0-3", "1-3"),
        ("a cpuset across sockets", machine(2, 4, 1), "2-6", "4-6"),
        ("a cpuset with one core", machine(2, 4, 1), "3", "3"),
        ("big server", machine(2, 64, 2), None, "64-127,192-255"),
    ],
)
def test_synthetic_machines(name: str, cpus: list[Cpu], allowed: str | None, chosen: str) -> None:
    allowed_set = parse_cpu_list(allowed) if allowed else everything(cpus)
    assert choose_cores(cpus, allowed_set) == chosen, name


@given(
    st.integers(1, 3),
    st.integers(1, 8),
    st.integers(1, 2),
    st.booleans(),
    st.sets(st.integers(0, 60), min_size=1),
)
def test_whatever_is_chosen_is_allowed_whole_and_on_one_socket(
    sockets: int, cores: int, threads: int, together: bool, allowed: set[int]
) -> None:
    cpus = machine(sockets, cores, threads, together=together)
    usable = frozenset(allowed) & everything(cpus)
    if not usable:
        with pytest.raises(TopologyError):
            choose_cores(cpus, frozenset(allowed))
        return
    chosen = parse_cpu_list(choose_cores(cpus, frozenset(allowed)))
    assert chosen and chosen <= usable
    of = {cpu.number: cpu for cpu in cpus}
    assert len({of[number].package for number in chosen}) == 1
    if any(cpu.siblings <= usable for cpu in cpus):
        assert all(of[number].siblings <= chosen for number in chosen)


def test_the_administrators_own_list_is_taken() -> None:
    cpus = machine(1, 8, 1)
    assert choose_cores(cpus, everything(cpus), "0,2-3") == "0,2-3"
    with pytest.raises(TopologyError, match="8-9"):
        choose_cores(cpus, everything(cpus), "7-9")


@given(st.sets(st.integers(0, 500), min_size=1))
def test_lists_come_back(numbers: set[int]) -> None:
    assert parse_cpu_list(format_cpu_list(numbers)) == numbers


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "2-1", "1,,2", "99999999", "0-999999"])
def test_wrong_lists(text: str) -> None:
    with pytest.raises(ValueError, match="processors"):
        parse_cpu_list(text)


def write(base: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return base


def test_sysfs_of_a_hybrid_processor(tmp_path: Path) -> None:
    files = {"system/cpu/online": "0-3", "cpu_core/cpus": "0-1", "cpu_atom/cpus": "2-3"}
    for number, siblings in enumerate(("0-1", "0-1", "2", "3")):
        files[f"system/cpu/cpu{number}/topology/core_cpus_list"] = siblings
        files[f"system/cpu/cpu{number}/topology/physical_package_id"] = "0"
    cpus = read_topology(write(tmp_path, files))
    assert [(cpu.number, cpu.core, cpu.kind) for cpu in cpus] == [
        (0, 0, 1),
        (1, 0, 1),
        (2, 2, 0),
        (3, 3, 0),
    ]
    assert choose_cores(cpus, everything(cpus)) == "0-1"


def test_sysfs_of_an_arm_processor_with_an_offline_sibling(tmp_path: Path) -> None:
    files = {"system/cpu/online": "0,2"}
    for number, capacity in ((0, "446"), (2, "1024")):
        files[f"system/cpu/cpu{number}/topology/thread_siblings_list"] = (
            "0-1" if not number else "2"
        )
        files[f"system/cpu/cpu{number}/cpu_capacity"] = capacity
    cpus = read_topology(write(tmp_path, files))
    assert cpus[0].siblings == {0}
    assert choose_cores(cpus, everything(cpus)) == "2"


def test_a_machine_that_shows_nothing(tmp_path: Path) -> None:
    assert read_topology(tmp_path) == [Cpu(0, 0, frozenset({0}))]


def test_this_machine() -> None:
    assert read_topology()
