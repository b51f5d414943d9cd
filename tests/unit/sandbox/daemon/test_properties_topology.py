"""Of any machine, and whatever it says of itself, cores are chosen that can be used."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cfiddle_slurm.sandbox.daemon.topology import (
    Cpu,
    TopologyError,
    choose_cores,
    read_topology,
)
from cfiddle_slurm.sandbox.guest.machine import cpu_model
from cfiddle_slurm.values import parse_cpu_list


@st.composite
def machines(draw: st.DrawFn) -> list[Cpu]:
    """Cores of one to four threads each, of any kind, on any socket, numbered in any order."""
    threads = draw(st.lists(st.integers(1, 4), min_size=1, max_size=8))
    numbers = draw(st.permutations(range(sum(threads))))
    cpus = []
    for count in threads:
        siblings, numbers = frozenset(numbers[:count]), numbers[count:]
        package, kind = draw(st.integers(-1, 2)), draw(st.integers(0, 2))
        cpus += [Cpu(one, min(siblings), siblings, package, kind) for one in siblings]
    return cpus


@settings(max_examples=80)
@given(machines(), st.sets(st.integers(0, 35)))
def test_the_cores_of_any_machine_are_allowed_whole_of_one_kind_and_together(
    cpus: list[Cpu], some: set[int]
) -> None:
    allowed = frozenset(some)
    usable = {cpu.number: cpu for cpu in cpus if cpu.number in allowed}
    try:
        chosen = parse_cpu_list(choose_cores(cpus, allowed))
    except TopologyError as error:
        assert not usable and str(error).endswith(".")
        return
    assert chosen and chosen <= set(usable)
    assert len({(usable[one].package, usable[one].kind) for one in chosen}) == 1
    if any(cpu.siblings <= allowed for cpu in cpus):
        assert all(usable[one].siblings <= chosen for one in chosen)


@given(machines(), st.sets(st.integers(0, 35)), st.text("0123456789-, a", max_size=8))
def test_an_administrators_list_is_taken_as_it_is_or_refused(
    cpus: list[Cpu], some: set[int], wanted: str
) -> None:
    try:
        chosen = choose_cores(cpus, frozenset(some), wanted)
    except ValueError as error:
        assert str(error)
        return
    assert parse_cpu_list(chosen) == parse_cpu_list(wanted) <= some


LISTS = st.text(max_size=6) | st.sampled_from(
    ["0", "0-1", "0-3", "1,3", "2-0", "0-65535", "", "\n", "-1", "9" * 5000, "\u0663"]
)
FILES = st.dictionaries(
    st.sampled_from(
        ["system/cpu/online", "cpu_core/cpus"]
        + [
            f"system/cpu/cpu{number}/{name}"
            for number in range(3)
            for name in (
                "topology/core_cpus_list",
                "topology/thread_siblings_list",
                "topology/physical_package_id",
                "cpu_capacity",
            )
        ]
    ),
    LISTS.map(lambda text: text.encode()) | st.binary(max_size=3),
)


@given(FILES)
def test_whatever_a_machine_says_of_itself_cores_can_be_chosen(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, name).write_bytes(content)
        cpus = read_topology(Path(folder))
    assert len({cpu.number for cpu in cpus}) == len(cpus) > 0
    assert all(cpu.number in cpu.siblings for cpu in cpus)
    allowed = frozenset(cpu.number for cpu in cpus)
    assert parse_cpu_list(choose_cores(cpus, allowed)) <= allowed


@given(st.text() | st.lists(LISTS).map("model name\t: ".join))
def test_any_text_names_a_processor_or_none(text: str) -> None:
    assert isinstance(cpu_model(text), str | type(None))
