"""The rules around students' processes, as text; tests/machines has them in force."""

import re

from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.door import places, walls
from cfiddle_slurm.door.walls import Nets

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t0A0B0C0A\t010012AC\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0
"""
NETS = Nets(("10.0.1.0/24",), ("172.18.0.0/16",))


def test_the_networks_of_a_container() -> None:
    assert walls.parse_routes(ROUTES) == NETS
    assert walls.parse_routes(ROUTES.splitlines()[0]) == Nets((), ())


def rules(text: str, chain: str) -> list[str]:
    found = re.search(rf"chain {chain} {{\n(.*?)}}\n(?:chain|}})", text, re.DOTALL)
    assert found is not None
    return [line.strip() for line in found[1].splitlines()]


def test_an_allocation_reaches_its_srun_and_nothing_else() -> None:
    _, *out = rules(walls.worker(NETS), "out")
    assert out[0] == "meta skuid 0 accept"
    assert out[-1] == "meta skuid != 0 counter reject"
    opened = [line for line in out[1:] if line.endswith("accept")]
    assert opened == [
        "ct state established,related accept",
        "ip daddr { 10.0.1.0/24 } tcp dport 45000-64999 ct state new accept",
    ]
    # Its own loopback interface is shut before that.
    assert out.index("fib daddr type local counter reject") < out.index(opened[1])


def test_an_account_reaches_the_daemons_by_the_door_alone() -> None:
    text = walls.user(NETS)
    assert "redirect to :6801" in rules(text, "outward")[-1]
    assert "6818, 6819 } meta mark set meta skuid" in text
    out = rules(text, "out")
    assert "ip daddr { 10.0.1.0/24, 172.18.0.0/16 } meta skuid >= 1 counter reject" in out
    assert [line for line in out if "2049" in line and "reject" in line]
    # To the daemons' own machines, by whatever way: VXLAN, the swarm.
    assert [line for line in out if "4789" in line and "reject" in line]


def test_rules_take_the_place_of_those_before() -> None:
    for text in (walls.user(NETS), walls.worker(NETS), walls.worker(Nets((), ()))):
        assert text.startswith("table inet cfiddle { }\ndelete table inet cfiddle\n")
        assert text.count("{") == text.count("}")


def test_slurm_and_docker_know_the_same_ports() -> None:
    first, last = places.SRUN_PORTS
    cluster = kit.folder("cluster")
    assert f"\nSrunPortRange={first}-{last}\n" in (cluster / "slurm.conf").read_text()
    stack = (cluster / "stack.yml").read_text()
    (most,) = re.findall(r'ip_local_port_range: "\d+ (\d+)"', stack)
    assert int(most) < first
    assert "net.ipv4.ip_unprivileged_port_start: 1024" in stack
    assert places.MUNGED_SOCKET in (cluster / "daemon").read_text()
