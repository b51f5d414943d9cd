"""The rules of netfilter for containers in which students' processes run. Pure.

All goes by whose a socket is; root and the door are trusted. A packet without a socket is the
kernel's own.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

from cfiddle_slurm.door.places import DAEMONS, FROM_CLUSTER, FROM_USERS, SRUN_PORTS
from cfiddle_slurm.ids import DOOR

_CLOSED_TCP = "111, 2049, 2375-2377, 7946, 20048"
_CLOSED_UDP = "111, 2049, 4789, 7946, 20048"
"""NFS and its helpers; the engine's and the swarm's own, wherever they are."""
_SRUN = f"{SRUN_PORTS[0]}-{SRUN_PORTS[1]}"
_PER_ACCOUNT = "{ type uid; size 4096; flags dynamic,timeout; timeout 10s; }"
_CALLS = "200/second burst 800 packets"
"""Connections to the door: what is above is tried again by the caller's kernel, a second later."""
_DNS = "200/second burst 400 packets"


@dataclass(frozen=True)
class Nets:
    """The IPv4 networks that a container is in.

    Attributes:
        backbone: those of the cluster.
        outward: those by which it reaches the rest of the world, its machine at first.
    """

    backbone: tuple[str, ...]
    outward: tuple[str, ...]


def parse_routes(text: str) -> Nets:
    """The networks in /proc/net/route: numbers as the processor has them, here least byte first."""
    rows = [line.split() for line in text.splitlines()[1:] if line.strip()]
    outward = {row[0] for row in rows if row[1] == "00000000"}
    networks = [
        (row[0], f"{_dotted(row[1])}/{int(row[7], 16).bit_count()}")
        for row in rows
        if row[1] != "00000000" and row[2] == "00000000"
    ]
    return Nets(
        tuple(net for device, net in networks if device not in outward),
        tuple(net for device, net in networks if device in outward),
    )


def _dotted(word: str) -> str:
    return socket.inet_ntoa(int(word, 16).to_bytes(4, "little"))


def worker(nets: Nets) -> str:
    """In an allocation: nothing but what slurmstepd, as the student, says to its srun."""
    return _table(
        _chain(
            "out", "type filter hook output priority filter; policy accept;",
            "meta skuid 0 accept",
            "ct state established,related accept",
            "fib daddr type local counter reject",
            *_to(nets.backbone, f"tcp dport {_SRUN} ct state new accept"),
            "meta skuid != 0 counter reject",
        )
    )  # fmt: skip


def user(nets: Nets) -> str:
    """On the user node: Slurm's daemons through the door, the rest of the cluster not at all."""
    closed = (*nets.backbone, *nets.outward)
    daemons = ", ".join(map(str, sorted(DAEMONS)))
    trusted = f"meta skuid {{ 0, {DOOR} }}"
    return _table(
        f"set naming {_PER_ACCOUNT}",
        f"set calling {_PER_ACCOUNT}",
        # The door's own connections are not tracked. What is remembered of an account's connection
        # from the same port, minutes after its end, would send them back to the door.
        _chain(
            "own", "type filter hook output priority raw; policy accept;",
            *_to(nets.backbone, f"tcp dport {{ {daemons} }} {trusted} notrack"),
        ),
        _chain(
            "answers", "type filter hook prerouting priority raw; policy accept;",
            f'iifname != "lo" tcp sport {{ {daemons} }} notrack',
        ),
        _chain(
            "names", "type filter hook output priority -150; policy accept;",
            f"{trusted} accept",
            *_to(
                nets.backbone,
                f"tcp dport {{ {daemons} }} ct state new"
                f" update @calling {{ meta skuid limit rate over {_CALLS} }} counter drop",
            ),
            *_to(nets.backbone, f"tcp dport {{ {daemons} }} meta mark set meta skuid"),
            f"udp dport 53 update @naming {{ meta skuid limit rate over {_DNS} }} drop",
        ),
        _chain(
            "outward", "type nat hook output priority -110; policy accept;",
            f"{trusted} accept",
            *_to(nets.backbone, f"tcp dport {{ {daemons} }} redirect to :{FROM_USERS}"),
        ),
        _chain(
            "inward", "type nat hook prerouting priority -110; policy accept;",
            f'iifname != "lo" tcp dport {_SRUN} redirect to :{FROM_CLUSTER}',
        ),
        _chain(
            "out", "type filter hook output priority filter; policy accept;",
            f"{trusted} accept",
            "ct state established,related accept",
            f"fib daddr type local tcp dport {{ {_SRUN}, {FROM_CLUSTER} }} counter reject",
            "fib daddr type local accept",
            *_to(closed, "meta skuid >= 1 counter reject"),
            f"meta skuid >= 1 tcp dport {{ {_CLOSED_TCP} }} counter reject",
            f"meta skuid >= 1 udp dport {{ {_CLOSED_UDP} }} counter reject",
            "meta skuid >= 1 ip6 daddr { fe80::/10, fc00::/7, ff00::/8 } counter reject",
        ),
    )  # fmt: skip


def _to(networks: Iterable[str], rule: str) -> list[str]:
    nets = ", ".join(networks)
    return [f"ip daddr {{ {nets} }} {rule}"] if nets else []


def _chain(name: str, *lines: str) -> str:
    return f"chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "}"


def _table(*parts: str) -> str:
    """A whole set of rules, which takes the place of the one before it in one step (nft(8))."""
    name, inside = "table inet cfiddle", "\n".join(parts)
    return f"{name} {{ }}\ndelete {name}\n{name} {{\n{inside}\n}}\n"
